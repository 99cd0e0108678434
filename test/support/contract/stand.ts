import { randomBytes } from "node:crypto";
import type { Sluice } from "@sluice/sdk";
import postgres from "postgres";
import { createAuditor } from "../../../src/audit/auditor.ts";
import { createAdminVerbs } from "../../../src/auth/admin.ts";
import { createPasswords } from "../../../src/auth/passwords.ts";
import { openDatabase } from "../../../src/db/sql.ts";
import { ADMIN } from "../installation.ts";
import { createTestDatabase } from "../postgres.ts";
import { createSite, type Program, type Site, type SiteOptions } from "../processes.ts";

/** Somebody with a password, logged in. */
export interface Person {
  readonly id: string;
  readonly email: string;
  readonly password: string;
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly client: Sluice;
}

/** A started server on a database of its own, and people who use it. */
export interface Stand extends AsyncDisposable {
  readonly site: Site;
  readonly server: Program;
  readonly port: number;
  readonly databaseUrl: string;
  readonly masterKey: Buffer;
  /** The database from beside the server. */
  readonly sql: postgres.Sql;
  readonly admin: Person;
  /** Two with the role `developer`: neither may see what the other has. */
  readonly alice: Person;
  readonly bob: Person;
  /** Another session of the person. */
  login(person: Pick<Person, "email" | "password">): Promise<Person>;
}

/**
 * A server without a worker unless asked for; `env` and `checkout` as for a site.
 * Needs a Postgres for tests, as `startTestPostgres` gives.
 */
export async function startStand(options: SiteOptions & { readonly worker?: boolean } = {}): Promise<Stand> {
  await using parts = new AsyncDisposableStack();
  const database = parts.use(await createTestDatabase());
  const masterKey = randomBytes(32);
  const site = parts.use(
    await createSite({
      ...options,
      env: {
        DATABASE_URL: database.url,
        SLUICE_MASTER_KEY: masterKey.toString("hex"),
        SLUICE_ADMIN_EMAIL: ADMIN.email,
        SLUICE_ADMIN_PASSWORD: ADMIN.password,
        ...options.env,
      },
    }),
  );
  const server = await site.serve(...(options.worker ? [] : ["--no-worker"]));
  const sql = postgres(database.url, { max: 2, onnotice: () => {}, fetch_types: false });
  parts.defer(() => sql.end({ timeout: 1 }));
  const login: Stand["login"] = async ({ email, password }) => {
    const { user, accessToken, refreshToken } = await site.client().auth.login({ email, password });
    if (!user) throw new Error(`${email} cannot log in`);
    const client = site.client({ apiKey: undefined, accessToken });
    return { id: user.id, email, password, accessToken, refreshToken, client };
  };
  const people = ["alice", "bob"].map((name) => ({
    email: `${name}@example.org`,
    password: `a password of ${name}`,
  }));
  await createUsers(database.url, people);
  const [admin, alice, bob] = await Promise.all([ADMIN, ...people].map(login));
  if (!admin || !alice || !bob) throw new Error("not everybody could log in");
  const kept = parts.move();
  return {
    site,
    server,
    port: site.port,
    databaseUrl: database.url,
    masterKey,
    sql,
    admin,
    alice,
    bob,
    login,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function createUsers(
  url: string,
  people: readonly { email: string; password: string }[],
): Promise<void> {
  const db = openDatabase({ url, maxConnections: 1, statementTimeoutMs: 10_000, applicationName: "test" });
  const passwords = createPasswords({ concurrency: 1 });
  const verbs = createAdminVerbs({ db, audit: createAuditor(), passwords });
  for (const person of people) await verbs.createUser({ ...person, roles: ["developer"] });
  await db.close();
}
