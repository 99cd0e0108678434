/** Workers write with leases that are not theirs any more, or never were: all is refused, and nothing changes. */
import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { expect } from "vitest";
import { LeaseLostError } from "../../../../src/jobs/errors.ts";
import type { ClaimedJob, Lease } from "../../../../src/jobs/leases.ts";
import type { Services } from "../../../support/harness.ts";
import { failureOf, outcomeOf, resultOf } from "../steps.ts";
import { command, pick, pickOf } from "./arbitraries.ts";
import type { Model } from "./model.ts";
import { type Command, performHere } from "./real.ts";
import { factsOf } from "./worker-acts.ts";

/** The newest ones stand for all, so that a run stays short. */
const MAX_LEASES = 4;

/** Every write that a worker can make with a lease, and what it is told when the lease does not hold. */
async function expectRefused({ leases, heartbeats }: Services, lease: Lease): Promise<void> {
  const { jobId: id } = lease;
  const entry = {
    id,
    ownerId: id,
    rank: 1,
    runTime: new Date(),
    isDue: true,
    concurrencyKey: null,
    parked: false,
  };
  const claimed = { job: { id, pipelineName: "default", priority: "NORMAL" }, entry, lease } as ClaimedJob;
  const error = failureOf(true);
  const started = { position: 0, name: "fetch", type: "fetch" };
  const events = [{ type: "log", payload: { level: "info", message: "written too late" } }];
  const step = { ended: null, started, stagesDone: 0, stagesTotal: 7, restored: 7, events };
  const [completed, failed, retried, cancelled, released, renewed, orders, stepped, progressed] =
    await Promise.all([
      leases.complete(claimed, resultOf("written too late")),
      leases.fail(claimed, { error, retryInMs: null }),
      leases.fail(claimed, { error, retryInMs: 0 }),
      leases.cancelled(claimed),
      leases.release([lease]),
      heartbeats.renew(factsOf("worker 1"), [lease]),
      leases.orders([lease]),
      outcomeOf(leases.step(lease, step)),
      outcomeOf(leases.progress(lease, { share: 0.9, message: "written too late", events })),
    ]);
  expect({ completed, failed, retried, cancelled, released, renewed, orders }).toEqual({
    completed: null,
    failed: null,
    retried: null,
    cancelled: false,
    released: [],
    renewed: { isDisplaced: false, leases: [] },
    orders: [],
  });
  expect(stepped).toBeInstanceOf(LeaseLostError);
  expect(progressed).toBeInstanceOf(LeaseLostError);
}

const withFormer = (m: Model) => [...m.jobs, ...m.deleted].filter(({ former }) => former.length > 0);

export const staleWrites: fc.Arbitrary<Command> = pick.map((at) =>
  command(
    `writes with the former leases of ${at}`,
    (m) => withFormer(m).length > 0,
    async (m, r) => {
      const { former } = pickOf(withFormer(m), at);
      await performHere(m, r, "writes with former leases", async () => {
        for (const lease of former.slice(-MAX_LEASES)) await expectRefused(r.services, lease);
      });
    },
  ),
);

/** The lease of one job, or of none, in the name of another. */
export const foreignWrites: fc.Arbitrary<Command> = fc.tuple(pick, pick).map(([from, to]) =>
  command(
    `writes to ${to} with a lease of ${from}`,
    (m) => m.jobs.some(({ held }) => held) && m.jobs.length > 1,
    async (m, r) => {
      const { held } = pickOf(
        m.jobs.filter((job) => job.held),
        from,
      );
      const others = m.jobs.filter((job) => job.held !== held);
      const { id: jobId } = pickOf(others, to);
      await performHere(m, r, "writes with foreign leases", async () => {
        for (const token of [held?.lease.token ?? "", randomUUID()])
          await expectRefused(r.services, { jobId, token });
      });
    },
  ),
);
