/**
 * Damaged and crafted documents of every format through the document processes of a worker: `npm run fuzz`. Options:
 * `--documents 5000`, `--seed 1`, `--seconds 1500`. The same seed makes the same documents. Ends with 1 when one of them ended
 * as none may, the process that hosts them grew or stood still, or a healthy document beside them suffered.
 */
import { parseArgs } from "node:util";
import { runCampaign } from "./campaign.ts";
import { judgeCampaign } from "./verdict.ts";

const { values } = parseArgs({
  options: {
    documents: { type: "string", default: "5000" },
    seed: { type: "string", default: "1" },
    seconds: { type: "string", default: "1500" },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const campaign = await runCampaign({
  seed: Number(values.seed),
  documents: Number(values.documents),
  seconds: Number(values.seconds),
  onFinding: ({ name, what }) => say(`${name}: ${what}`),
  onProgress: (done) => done % 250 === 0 && say(`${done} documents`),
});
for (const [end, count] of [...campaign.ends].sort((a, b) => b[1] - a[1]))
  say(`${String(count).padStart(6)}  ${end}`);
for (const { name, measured, holds } of judgeCampaign(campaign, Number(values.documents)))
  say(`${holds ? "holds " : "MISSED"}  ${name}: ${measured}`);
say(
  `slowest: ${campaign.slowest.ms.toFixed(0)} ms, ${campaign.slowest.name}; ${campaign.seconds.toFixed(0)} s, seed ${values.seed}`,
);
process.exit(judgeCampaign(campaign, Number(values.documents)).every(({ holds }) => holds) ? 0 : 1);
