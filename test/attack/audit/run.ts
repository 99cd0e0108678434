/**
 * Ten thousand calls by twenty clients on two servers, while the database stands still for a minute and one server is killed
 * in between: `npm run audit-proof`. Then every call is looked for in the audit log. AUDIT_SEED repeats the order of calls,
 * AUDIT_CALLS and AUDIT_PAUSE_MS change the size. Ends with 1 when a row is missing or too many.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { createSluice } from "@sluice/sdk";
import postgres from "postgres";
import { createMember, type Member } from "../../chaos/member.ts";
import { ADMIN, sharedSettings } from "../../support/installation.ts";
import { startPausablePostgres } from "../../support/pausable-postgres.ts";
import { createSite, endProgramsWithUs, type Site } from "../../support/processes.ts";
import { type Made, makeCalls } from "./load.ts";
import { type Evidence, judge, judgeAnonymous, readEvidence } from "./verdict.ts";

const CLIENTS = 20;
const LIMIT_MS = 285_000;
/** What lies on the disk is brought to the database within seconds. */
const SETTLE_MS = 60_000;
const LOOK_MS = 1_000;
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const number = (name: string, otherwise: number): number => Number(process.env[name] ?? otherwise);

async function prove(seed: number, calls: number, pauseMs: number): Promise<boolean> {
  await using parts = new AsyncDisposableStack();
  const database = parts.use(await startPausablePostgres());
  const files = parts.use(await createSite());
  const env = {
    ...sharedSettings(database.url, files.folder),
    // The clients say for whom they call, so that those of the users and those of nobody have different addresses.
    SLUICE_TRUSTED_PROXIES: "127.0.0.0/8,::1",
    SLUICE_LOG_LEVEL: "warn",
  };
  const servers: { site: Site; member: Member }[] = [];
  for (const name of ["server 0", "server 1"]) {
    const site = parts.use(await createSite({ env }));
    const member = createMember(name, site, ["serve", "--no-worker"], "Sluice is ready at");
    await member.start();
    servers.push({ site, member });
  }
  const [first] = servers;
  using client = createSluice({ url: first?.site.url ?? "" });
  const { accessToken } = await client.auth.login(ADMIN);
  // Not all that there is, so that something is denied.
  using admin = createSluice({ url: first?.site.url ?? "", accessToken });
  const permissions = ["jobs:create", "jobs:read", "jobs:cancel", "api_keys:create", "system:read"];
  const { secret } = await admin.auth.createApiKey({ name: "clients", permissions });

  const made: Made[] = [];
  const killed = { server: 1, atMs: 0 };
  let trouble: Promise<void> | null = null;
  const makeTrouble = async (): Promise<void> => {
    say(`after ${made.length} calls the database stands still for ${pauseMs / 1000} s`);
    database.pause();
    await sleep(pauseMs / 2);
    const victim = servers[killed.server]?.member;
    killed.atMs = Date.now();
    await victim?.end("SIGKILL");
    say(`server ${killed.server} was killed after ${made.length} calls`);
    await sleep(pauseMs / 2);
    database.resume();
    await victim?.start();
    say(`after ${made.length} calls the database goes on, and both servers`);
  };
  await makeCalls({
    urls: servers.map(({ site }) => site.url),
    accessToken: secret,
    seed,
    calls,
    clients: CLIENTS,
    onCall: (call) => made.push(call),
    onProgress(done) {
      if (done >= calls / 4) trouble ??= makeTrouble();
    },
  });
  await trouble;
  const sql = postgres(database.url, { max: 1, onnotice: () => {}, fetch_types: false });
  parts.defer(() => sql.end({ timeout: 1 }));
  const endsAt = performance.now() + SETTLE_MS;
  const evidence = async (): Promise<Evidence> => ({ made, killed, ...(await readEvidence(sql)) });
  while (judge(await evidence()).some(({ breaches }) => breaches.length > 0)) {
    if (performance.now() > endsAt) break;
    await sleep(LOOK_MS);
  }
  // At its end a server writes down what it has counted.
  for (const { member } of servers) await member.end("SIGTERM");
  const last = await evidence();
  const counts = [...judge(last), ...judgeAnonymous(last)];
  for (const { name, count, breaches } of counts) {
    say(`${breaches.length > 0 ? "BREACH" : "      "} ${String(count).padStart(6)}  ${name}`);
    for (const breach of breaches.slice(0, 5)) say(`                 ${breach}`);
    if (breaches.length > 5) say(`                 and ${breaches.length - 5} more`);
  }
  return counts.every(({ breaches }) => breaches.length === 0) && made.length === calls;
}

const seed = number("AUDIT_SEED", Date.now() % 1_000_000);
endProgramsWithUs();
setTimeout(() => {
  say(`FAILED: AUDIT_SEED=${seed}: not done after ${LIMIT_MS / 1000} s`);
  process.exit(1);
}, LIMIT_MS).unref();
const began = performance.now();
const holds = await prove(seed, number("AUDIT_CALLS", 10_000), number("AUDIT_PAUSE_MS", 60_000));
say(`${holds ? "ok" : "FAILED"}: AUDIT_SEED=${seed}, ${((performance.now() - began) / 1000).toFixed(0)} s`);
process.exit(holds ? 0 : 1);
