import postgres from "postgres";
import { afterAll, expect, test } from "vitest";
import { withDeadline } from "../../../src/db/deadline.ts";
import { isConnectionLoss } from "../../../src/db/sql.ts";

// Nobody listens there, and the driver is told to wait for long before it says so.
const driver = postgres("postgres://127.0.0.1:1/nothing", { connect_timeout: 60, backoff: () => 60 });
afterAll(() => driver.end({ timeout: 0 }));

test("a statement that is never settled fails as a lost connection", async () => {
  const sql = withDeadline(driver, 50);
  const forgotten = sql`select 1`;
  // As the driver does that has forgotten it: whatever happens, nobody answers.
  Object.assign(forgotten, { handle: () => Promise.resolve() });
  await expect(forgotten).rejects.toSatisfy(isConnectionLoss);
  const raw = sql.unsafe("select 1");
  Object.assign(raw, { handle: () => Promise.resolve() });
  await expect(raw).rejects.toThrow("did not answer a statement within 50 ms");
});

test("a fragment inside a statement waits for nothing", () => {
  const sql = withDeadline(driver, 50);
  expect(sql`where ${sql.unsafe("true")}`).toBeInstanceOf(Promise);
});
