import { createSluice } from "@sluice/sdk";

// A client that behaves well, in a process of its own, so that no attacker's work stands in its figures. Asks for a job every
// 50 ms, whether or not the answer before has come, until it is told to stop; then tells what it has seen.

const EVERY_MS = 50;

const { url, accessToken, id } = JSON.parse(process.argv[2] ?? "{}") as Record<string, string>;
const client = createSluice({ url: url ?? "", accessToken: accessToken ?? "" });
const took: number[] = [];
let failed = 0;

await client.jobs.getJob({ id: id ?? "" });
process.send?.("ready");
const timer = setInterval(() => {
  const began = performance.now();
  client.jobs
    .getJob({ id: id ?? "" }, { timeoutMs: 10_000 })
    .catch(() => failed++)
    .finally(() => took.push(performance.now() - began));
}, EVERY_MS);

process.once("message", () => {
  clearInterval(timer);
  process.send?.({ took, failed });
  client.close();
  process.disconnect();
});
