import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type Database, inScope } from "../../../src/db/sql.ts";
import { deleteJob, findJob } from "../../../src/jobs/queries.ts";
import { type Caller, ownScope, type Scope, scopeOf } from "../../../src/lib/caller.ts";

const SRC = new URL("../../../src/", import.meta.url);

/** Files whose statements see everybody's rows, and why they may. All other queries are those of callers. */
const OWN_WORK: Readonly<Record<string, string>> = {
  "audit/chain-queries.ts": "the chain holds everybody's entries",
  "audit/queries.ts": "the record takes every row",
  "audit/retention-queries.ts": "months go as a whole",
  "audit/seal-queries.ts": "the chain holds everybody's entries",
  "auth/change-queries.ts": "notices between processes",
  "auth/external/external-user-queries.ts": "users are made before there is a scope",
  "auth/made-key-queries.ts": "what a key has made ends with it, whoever owns it",
  "auth/principal-queries.ts": "who calls is found out before there is a scope",
  "auth/role-queries.ts": "roles belong to nobody",
  "auth/session-queries.ts": "sessions are found by what only their owner has",
  "auth/signing-key-queries.ts": "keys of the installation",
  "auth/throttle-queries.ts": "guesses are counted before anybody is known",
  "auth/user-queries.ts": "logins, and the commands of whoever rules the database",
  "jobs/claim-queries.ts": "workers",
  "jobs/documents/body-queries.ts": "workers, and signed links",
  "jobs/documents/object-queries.ts": "bytes that documents of several owners share",
  "jobs/expiry-queries.ts": "sweeps",
  "jobs/heartbeat-queries.ts": "workers",
  "jobs/lease-queries.ts": "workers",
  "jobs/quota-queries.ts": "what owners have is counted for all whose jobs share a transaction",
  "jobs/recovery-queries.ts": "sweeps",
  "jobs/waiting-queries.ts": "how many stand before a job of the caller, and none of theirs",
  "pipelines/queries.ts": "pipelines belong to nobody",
  "queue/key-queries.ts": "the queue",
  "queue/line-queries.ts": "the queue",
  "queue/reconcile-queries.ts": "the queue",
  "rpc/rates/rate-queries.ts": "buckets of addresses and users",
  "system/queries.ts": "figures of the whole installation",
  "webhooks/dispatch-queries.ts": "what waits for everybody's endpoints is posted",
  "webhooks/sweep-queries.ts": "sweeps",
};

const files = readdirSync(SRC, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith("queries.ts") && !name.startsWith("doctor/"))
  .sort();

/** The exported functions of a file that run statements, each with the type of its first parameter. */
function functionsOf(file: string): [string, string][] {
  const text = readFileSync(new URL(file, SRC), "utf8");
  return [...text.matchAll(/^export (?:async )?function (\w+)\(\s*\w+: ([\w.]+)/gm)].map(
    ([, name = "", type = ""]) => [name, type],
  );
}

test("every query that serves callers takes what says in whose name it is made", () => {
  const forgotten = files
    .filter((file) => !(file in OWN_WORK))
    .flatMap((file) =>
      functionsOf(file)
        .filter(([name, type]) => ["Sql", "Transaction"].includes(type) && name !== "eventInsert")
        .map(([name]) => `${file}: ${name}`),
    );
  expect(forgotten).toEqual([]);
  expect(functionsOf("jobs/queries.ts")).toContainEqual(["findJob", "ScopedSql"]);
  expect(Object.keys(OWN_WORK).filter((file) => !files.includes(file))).toEqual([]);
});

test("own rows by default, everybody's by permission; and what is forged or forgotten does not compile", () => {
  const caller = {
    userId: "u1",
    permissions: new Set(["jobs:read:any", "jobs:cancel"]),
  } as unknown as Caller;
  expect(scopeOf(caller, "jobs:read").ownerId).toBeNull();
  expect(scopeOf(caller, "jobs:cancel").ownerId).toBe("u1");
  expect(ownScope(caller).ownerId).toBe("u1");
  // The compiler refuses each, or `npm run check:static` fails for the mark above it.
  const refused = [
    // @ts-expect-error a literal is no scope
    (): Scope => ({ ownerId: null }),
    // @ts-expect-error nor is a caller
    (): Scope => caller,
    // @ts-expect-error the door of callers wants a scope
    (db: Database) => db.scoped({ ownerId: caller.userId }),
    // @ts-expect-error the service's own statements have none
    (db: Database) => findJob(db.sql, "id"),
    // @ts-expect-error and what only reads in the name of a caller changes nothing
    (db: Database) => deleteJob(db.scoped(ownScope(caller)), "id"),
    // @ts-expect-error nor does a transaction of the service's own
    (db: Database) => db.begin((tx) => deleteJob(tx, "id")),
    // @ts-expect-error a condition cannot be made without it
    (db: Database) => inScope(db.sql),
  ];
  expect(refused).toHaveLength(7);
});
