import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Client, Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AuthService } from "../../gen/sluice/v1/auth_pb.ts";
import { JobsService } from "../../gen/sluice/v1/jobs_pb.ts";
import { createAuditor } from "../../src/audit/auditor.ts";
import { createAdminVerbs } from "../../src/auth/admin.ts";
import { createPasswords } from "../../src/auth/passwords.ts";
import { type Database, openDatabase } from "../../src/db/sql.ts";
import { createSite, type Site } from "../support/processes.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";

const IN_FORCE = { timeout: 5_000 };

/** A second server on the database of the first. */
async function besides(first: Site, databaseUrl: string): Promise<Site> {
  const site = await createSite({
    env: {
      DATABASE_URL: databaseUrl,
      SLUICE_MASTER_KEY: readFileSync(join(first.dataDir, "master-key"), "utf8").trim(),
      SLUICE_STORAGE_URL: join(first.dataDir, "files"),
    },
  });
  await site.serve("--no-worker", "--no-embedded", "--no-migrate");
  return site;
}

function at(
  site: Site,
  credential?: string,
): { jobs: Client<typeof JobsService>; auth: Client<typeof AuthService> } {
  const withCredential: Interceptor = (next) => (request) => {
    if (credential) request.header.set("authorization", `Bearer ${credential}`);
    return next(request);
  };
  const transport = createGrpcTransport({ baseUrl: site.url, interceptors: [withCredential] });
  return { jobs: createClient(JobsService, transport), auth: createClient(AuthService, transport) };
}

interface OpenStream {
  /** The code that it ended with; null while it is open. */
  readonly code: Code | null;
}

/** A stream of a job that waits for a worker for ever, open when this resolves. */
async function watch(site: Site, credential: string): Promise<OpenStream> {
  const { jobs } = at(site, credential);
  const { job } = await jobs.createJob({ source: { case: "text", value: "It waits." } });
  const stream = { code: null as Code | null };
  const messages = jobs.watchJob({ id: job!.id })[Symbol.asyncIterator]();
  await messages.next();
  const follow = async () => {
    while (!(await messages.next()).done) {}
    throw new Error("the stream ended as if it were complete");
  };
  follow().catch((error) => {
    stream.code = ConnectError.from(error).code;
  });
  return stream;
}

const codeOf = (call: Promise<unknown>): Promise<Code | "OK"> =>
  call.then(
    () => "OK" as const,
    (error) => ConnectError.from(error).code,
  );

let first: Site;
let second: Site;
let proxy: TcpProxy;
let db: Database;

beforeAll(async () => {
  first = await createSite();
  await first.serve("--no-worker");
  proxy = await startTcpProxy(first.databaseUrl());
  second = await besides(first, proxy.url);
  const database = { url: first.databaseUrl(), maxConnections: 4, statementTimeoutMs: 10_000 };
  db = openDatabase({ ...database, applicationName: "test" });
});
afterAll(async () => {
  await db.close();
  await second[Symbol.asyncDispose]();
  await proxy[Symbol.asyncDispose]();
  await first[Symbol.asyncDispose]();
});

const login = async (user: { email: string; password: string }): Promise<string> =>
  (await at(first).auth.login(user)).accessToken;

const keyOf = async (token: string) =>
  await at(first, token).auth.createApiKey({ name: "key", permissions: ["jobs:create", "jobs:read"] });

async function makeUser(name: string, role = "developer") {
  const passwords = createPasswords({ concurrency: 1 });
  const { createUser } = createAdminVerbs({ db, audit: createAuditor(), passwords });
  const user = { email: `${name}@example.org`, password: `the password of ${name}` };
  return { ...user, id: (await createUser({ ...user, roles: [role] })).user.id };
}

test("what is taken back on one server ends the open streams of the other within five seconds, and its new calls", async () => {
  const leaver = await makeUser("leaver");
  const [left, alsoLeft] = [await login(leaver), await login(leaver)];
  const keeper = await makeUser("keeper");
  const kept = await login(keeper);
  const [revokedKey, keptKey] = [await keyOf(kept), await keyOf(kept)];
  const disabled = await makeUser("disabled");
  const disabledToken = await login(disabled);
  const disabledKey = await keyOf(disabledToken);
  const demoted = await makeUser("demoted", "operator");
  const demotedToken = await login(demoted);
  const demotedKey = await keyOf(demotedToken);
  const changer = await makeUser("changer");
  const changed = await login(changer);

  const acts: [name: string, credentials: string[], act: () => Promise<unknown>][] = [
    ["a logout", [left], () => at(first, left).auth.logout({})],
    ["a logout of all sessions", [alsoLeft], () => at(first, alsoLeft).auth.logout({ allSessions: true })],
    [
      "a revoked key",
      [revokedKey.secret],
      () => at(first, kept).auth.revokeApiKey({ id: revokedKey.apiKey!.id }),
    ],
    [
      "a changed password",
      [changed],
      () =>
        at(first, changed).auth.changePassword({
          currentPassword: changer.password,
          newPassword: "another password",
        }),
    ],
    // By hand, so that no notice is sent.
    [
      "a disabled user",
      [disabledToken, disabledKey.secret],
      () => db.sql`update users set is_active = false where id = ${disabled.id}`,
    ],
    [
      "a lost role",
      [demotedToken, demotedKey.secret],
      () => db.sql`update users set roles = '{viewer}' where id = ${demoted.id}`,
    ],
  ];
  const bystanders = await Promise.all([kept, keptKey.secret].map((credential) => watch(second, credential)));
  const streams = await Promise.all(
    acts.flatMap(([, credentials]) => credentials.map((credential) => watch(second, credential))),
  );
  expect(streams.map(({ code }) => code)).toEqual(streams.map(() => null));
  for (const [, , act] of acts) await act();
  await expect
    .poll(() => streams.map(({ code }) => code), IN_FORCE)
    .toEqual(streams.map(() => Code.Unauthenticated));
  for (const [name, credentials] of acts) {
    const expected = name === "a lost role" ? Code.PermissionDenied : Code.Unauthenticated;
    for (const credential of credentials) {
      const call = at(second, credential).jobs.createJob({ source: { case: "text", value: "One more." } });
      expect(await codeOf(call), name).toBe(expected);
    }
  }
  expect(bystanders.map(({ code }) => code)).toEqual([null, null]);
});

test("a server that was cut off from the database lets nobody in meanwhile, and catches up with what it missed", async () => {
  const admin = at(first, first.apiKey()).auth;
  const make = async () =>
    await admin.createApiKey({ name: "key", permissions: ["jobs:create", "jobs:read"] });
  const [revoked, kept] = [await make(), await make()];
  const lost = await watch(second, revoked.secret);
  const call = (key: { secret: string }) => codeOf(at(second, key.secret).jobs.listJobs({}));
  proxy.down();
  await admin.revokeApiKey({ id: revoked.apiKey!.id });
  // What it knew may serve for a moment, though the call itself fails for want of the database.
  await expect.poll(() => call(revoked), IN_FORCE).toBe(Code.Unavailable);
  expect(await call(kept)).toBe(Code.Unavailable);
  proxy.up();
  await expect.poll(() => call(revoked), IN_FORCE).toBe(Code.Unauthenticated);
  await expect.poll(() => call(kept), IN_FORCE).toBe("OK");
  // For want of the credential or, before that, of the database.
  await expect.poll(() => lost.code, IN_FORCE).not.toBeNull();
  expect((await watch(second, kept.secret)).code).toBeNull();
});

test("sluice keys rotates the keys of servers that run, and says how it went", async () => {
  const password = readFileSync(join(first.dataDir, "admin-password"), "utf8").trim();
  const { accessToken } = await at(first).auth.login({ email: "admin@localhost", password });
  const early = await first.run("keys", "rotate");
  expect(early).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/made a moment ago.* --compromised/),
  });
  expect(await codeOf(at(first, accessToken).auth.getCaller({}))).toBe("OK");
  expect(await first.run("keys", "rotate", "--compromised")).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/All keys of before are condemned/),
  });
  await expect
    .poll(() => codeOf(at(first, accessToken).auth.getCaller({})), IN_FORCE)
    .toBe(Code.Unauthenticated);
  const { stdout } = await first.run("keys", "list", "--json");
  const states = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(states.map(({ state, compromised }) => `${state} ${compromised}`).sort()).toEqual([
    "active false",
    "next false",
    "retired true",
    "retired true",
  ]);
});
