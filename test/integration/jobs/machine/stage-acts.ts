/** Workers write down how far they are: stages that begin and end, and progress inside of them. */
import fc from "fast-check";
import { expect } from "vitest";
import { newEvent } from "../../../../src/jobs/job-events.ts";
import type { Leases } from "../../../../src/jobs/leases.ts";
import { failureOf } from "../steps.ts";
import { command, crashOf, crashText, pick, pickOf } from "./arbitraries.ts";
import { keyOf, type Model, restorable, STAGES, stageEnded, stagesBegun } from "./model.ts";
import { type Command, perform } from "./real.ts";
import { type Working, working } from "./worker-acts.ts";

export type Step = Parameters<Leases["step"]>[1];
type End = "SUCCEEDED" | "FAILED" | "SKIPPED";

function finished(position: number, status: End, fromCheckpoint: boolean) {
  const name = STAGES[position] ?? "";
  return newEvent({
    type: "stage_finished",
    name,
    stageType: name,
    index: position,
    status,
    durationMs: 0,
    fromCheckpoint,
  });
}

/** The step that a worker makes next: over what is done to the first stage, or from stage to stage. */
export function nextStep(job: Working, status: End): Step {
  const { at } = job.held;
  const restored = at === "start" ? restorable(job) : 0;
  const next = at === "start" ? restored : status === "FAILED" ? STAGES.length : Number(at) + 1;
  const name = STAGES[next];
  const started = name ? { position: next, name, type: name } : null;
  const succeeded = status === "SUCCEEDED";
  const ended =
    at === "start"
      ? null
      : {
          position: Number(at),
          status,
          error: status === "FAILED" ? failureOf(true) : null,
          fromCheckpoint: false,
          checkpointKey: succeeded ? keyOf(Number(at)) : null,
          checkpoint: succeeded ? Buffer.from(`what stage ${at} made`) : null,
          checkpointObject: null,
        };
  const events = [
    ...Array.from({ length: restored }, (_, position) => finished(position, "SUCCEEDED", true)),
    ...(ended ? [finished(ended.position, status, false)] : []),
    ...(started
      ? [
          newEvent({
            type: "stage_started",
            name: started.name,
            stageType: started.type,
            index: started.position,
            stagesTotal: STAGES.length,
            attempt: job.attempt,
          }),
        ]
      : []),
  ];
  const stagesDone = started?.position ?? (status === "FAILED" && ended ? ended.position : STAGES.length);
  return { ended, started, stagesDone, stagesTotal: STAGES.length, restored, events };
}

/** What a write of a running attempt answers. */
const heldOf = (job: Working) => ({ cancel: job.status === "CANCELLING", sequence: job.events.length });

const onTheWay = (m: Model): Working[] => working(m).filter(({ held }) => held.at !== "done");

export const step: fc.Arbitrary<Command> = fc
  .tuple(pick, fc.constantFrom<End[]>("SUCCEEDED", "SUCCEEDED", "SUCCEEDED", "SKIPPED", "FAILED"), crashOf())
  .map(([at, status, crash]) =>
    command(
      `step(${at}, ${status})${crashText(crash)}`,
      (m) => onTheWay(m).length > 0,
      async (m, r) => {
        const job = pickOf(onTheWay(m), at);
        const { lease } = job.held;
        const asked = nextStep(job, status);
        const after = job.events.length;
        await perform(m, r, "step", crash, {
          call: ({ leases }) => leases.step(lease, asked, { after, again: false }),
          follow() {
            if (job.held.at === "start") stagesBegun(job, job.held);
            else stageEnded(job, job.held, status);
            return (answer) => expect(answer).toEqual(heldOf(job));
          },
        });
        // Whoever got no answer asks again: what was written is found, and nothing is written.
        if (job.events.length > after) {
          const answer = await r.services.leases.step(lease, asked, { after, again: true });
          expect(answer).toEqual(heldOf(job));
        }
        const keys = STAGES.map((_, position) => ({
          position,
          key: job.stages.get(position)?.key,
          skipped: false,
        }));
        expect(await r.services.leases.checkpoints(job.id)).toEqual(keys.filter(({ key }) => key));
      },
    ),
  );

export const progress: fc.Arbitrary<Command> = fc
  .tuple(pick, fc.constantFrom(0.25, 0.5, 1), fc.nat(2), crashOf())
  .map(([at, share, lines, crash]) =>
    command(
      `progress(${at}, ${share}, ${lines} events)${crashText(crash)}`,
      (m) => working(m).length > 0,
      async (m, r) => {
        const job = pickOf(working(m), at);
        const events = Array.from({ length: lines }, () =>
          newEvent({ type: "log", level: "info", message: "a page is done" }),
        );
        const { lease } = job.held;
        const asked = { share, message: null, events };
        const after = job.events.length;
        await perform(m, r, "progress", crash, {
          call: ({ leases }) => leases.progress(lease, asked, { after, again: false }),
          follow() {
            job.share = share;
            job.events.push(...events.map(() => "log"));
            job.writes++;
            return (answer) => expect(answer).toEqual(heldOf(job));
          },
        });
        if (job.events.length > after) {
          const answer = await r.services.leases.progress(lease, asked, { after, again: true });
          expect(answer).toEqual(heldOf(job));
        }
      },
    ),
  );
