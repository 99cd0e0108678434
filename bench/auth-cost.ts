/**
 * What authentication, authorisation and audit add to the latency of a unary call: `npm run auth-cost`. Two servers on one
 * database, started by this bench: one as it is, and one of a copy of the checkout that looks at the credential of the first
 * call only, asks for no permission and writes nothing into the audit log. One client calls them by turns. Writes the figures to
 * `bench/RESULTS.md`; ends with 1 when more than 15 % are added to the median.
 */
import { fileURLToPath } from "node:url";
import { createSluice, type Sluice } from "@sluice/sdk";
import { ADMIN, sharedSettings } from "../test/support/installation.ts";
import { patchedCheckout } from "../test/support/patched-checkout.ts";
import { createTestDatabase, startTestPostgres } from "../test/support/postgres.ts";
import { createSite, endProgramsWithUs, type Site } from "../test/support/processes.ts";
import { writePart } from "./results.ts";
import { WITHOUT_AUTH } from "./without-auth.ts";

const MOST_ADDED = 0.15;
const WARM_UP = 400;
const GETS = 3_000;
const CREATES = 1_000;
const RESULTS = fileURLToPath(new URL("RESULTS.md", import.meta.url));

type Call = (client: Sluice) => Promise<unknown>;

/** Latencies of the calls, in milliseconds, by turns and each first every other time. */
async function alternate(
  pair: readonly [Sluice, Sluice],
  count: number,
  call: Call,
): Promise<[number[], number[]]> {
  const took: [number[], number[]] = [[], []];
  for (let i = 0; i < count; i++) {
    for (const which of i % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      const began = performance.now();
      await call(pair[which]);
      took[which].push(performance.now() - began);
    }
  }
  return took;
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

endProgramsWithUs();
await using parts = new AsyncDisposableStack();
const postgres = await startTestPostgres();
parts.defer(() => postgres.stop());
const database = parts.use(await createTestDatabase());
const files = parts.use(await createSite());
const env = sharedSettings(database.url, files.folder);
const whole: Site = parts.use(await createSite({ env }));
await whole.serve("--no-worker");
const checkout = parts.use(await patchedCheckout(WITHOUT_AUTH, "bench/without-auth.ts"));
const bare: Site = parts.use(await createSite({ env, checkout: checkout.path }));
await bare.serve("--no-worker");

const { accessToken } = await whole.client().auth.login(ADMIN);
const { secret } = await whole
  .client()
  .auth.createApiKey({ name: "bench", permissions: ["jobs:read", "jobs:create"] });
const source = { case: "text", value: "a text" } as const;
const get = async (client: Sluice): Promise<Call> => {
  const { job } = await client.jobs.createJob({ source });
  return (each) => each.jobs.getJob({ id: job?.id ?? "" });
};
const create: Call = (client) => client.jobs.createJob({ source });
const rows: { name: string; with: number; without: number; added: number }[] = [];
for (const [credential, options] of [
  ["access token", { accessToken }],
  ["API key", { apiKey: secret }],
] as const) {
  const pair = [whole, bare].map(({ url }) => createSluice({ url, ...options })) as [Sluice, Sluice];
  for (const [name, count, call] of [
    ["GetJob", GETS, await get(pair[0])],
    ["CreateJob", CREATES, create],
  ] as const) {
    await alternate(pair, WARM_UP, call);
    const [took, bareTook] = (await alternate(pair, count, call)).map(median) as [number, number];
    rows.push({ name: `${name}, ${credential}`, with: took, without: bareTook, added: took / bareTook - 1 });
  }
  for (const client of pair) client.close();
}

const ms = (value: number): string => `${value.toFixed(2)} ms`;
const table = `## What authentication, authorisation and audit cost

\`npm run auth-cost\`: two servers on one database, called by turns by one client; one of them looks at no credential after the first,
asks for no permission and writes no audit log. Medians of ${GETS} reads and ${CREATES} changes each; at most ${MOST_ADDED * 100} % may be added.

| call | without | with | added | |
| --- | --- | --- | --- | --- |
${rows.map((row) => `| ${row.name} | ${ms(row.without)} | ${ms(row.with)} | ${(row.added * 100).toFixed(0)} % | ${row.added <= MOST_ADDED ? "holds" : "**missed**"} |`).join("\n")}`;
process.stdout.write(`${table}\n`);
await writePart(RESULTS, "auth-cost", table);
process.exitCode = rows.every(({ added }) => added <= MOST_ADDED) ? 0 : 1;
