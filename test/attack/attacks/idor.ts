import { compareForeign, foreignCases } from "../../support/contract/foreign.ts";
import { allWires } from "../../support/contract/wires.ts";
import type { Attack } from "../attack.ts";
import { bearer, call, cameOf, refused } from "../wire.ts";

export const othersObjects: Attack = {
  name: "IDOR on every id, page token, request id, watch stream",
  async run(target) {
    const { alice, bob } = target;
    const [wire, ...others] = allWires(target.port, target.host);
    for (const other of others) other.close();
    if (!wire) return [];
    const cases = foreignCases();
    const findings = await compareForeign({ alice, bob, wires: [wire], cases });
    wire.close();
    const text = "of alice";
    const requestId = `attack-${Date.now()}`;
    const create = async (person: typeof alice) =>
      await person.client.jobs.createJob({
        source: { case: "text", value: text },
        requestId,
        labels: { whose: person.email },
      });
    const [hers, his] = [(await create(alice)).job, (await create(bob)).job];
    await create(alice).catch(() => {});
    await alice.client.jobs.createJob({ source: { case: "text", value: `${text} too` } });
    const list = (person: typeof alice, body: object) =>
      call(target, "JobsService/ListJobs", body, bearer(person.accessToken));
    const first = JSON.parse((await list(alice, { pageSize: 1 })).text) as { nextPageToken: string };
    const found = await list(bob, { labels: { whose: alice.email } });
    return [
      {
        what: `${cases.length} ids of ${new Set(cases.map(({ method }) => method)).size} methods, watch streams among them`,
        came: findings.length === 0 ? "each as one that does not exist" : findings.slice(0, 3).join("; "),
        held: findings.length === 0,
      },
      await refused(
        "another's page token",
        list(bob, { pageSize: 1, pageToken: first.nextPageToken }),
        "invalid_argument",
      ),
      {
        what: "another's request id",
        came: his?.createdBy === bob.id && his.id !== hers?.id ? "a job of one's own" : `job ${his?.id}`,
        held: his?.createdBy === bob.id && his.id !== hers?.id,
      },
      {
        what: "a filter for another's labels",
        came: cameOf(found),
        held: !found.text.includes(hers?.id ?? "?") && found.code === "ok",
      },
    ];
  },
};
