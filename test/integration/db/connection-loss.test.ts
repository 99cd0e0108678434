import { readFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { expect, test } from "vitest";
import { isConnectionLoss, openDatabase } from "../../../src/db/sql.ts";
import { TransactionLostError, TransactionQueueError } from "../../../src/db/transactions.ts";

/** A port on which nothing listens any more. */
async function closedPort(): Promise<number> {
  const server = createServer();
  const port = await new Promise<number>((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port)),
  );
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function failureOn(url: string, act: "statement" | "transaction"): Promise<unknown> {
  const db = openDatabase({ url, maxConnections: 2, statementTimeoutMs: 1_000, applicationName: "test" });
  const work = act === "statement" ? db.sql`select 1` : db.begin((tx) => tx`select 1`);
  const error = await Promise.resolve(work).catch((thrown: unknown) => thrown);
  await db.close();
  return error;
}

test.each(["statement", "transaction"] as const)(
  "a database that refuses connections, or accepts and hangs up, is lost to a %s",
  async (act) => {
    const url = `postgres://u:p@127.0.0.1:${await closedPort()}/d`;
    expect(await failureOn(url, act)).toSatisfy(isConnectionLoss);
    const server = createServer((socket) => socket.end());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    expect(await failureOn(`postgres://u:p@127.0.0.1:${port}/d`, act)).toSatisfy(isConnectionLoss);
    server.close();
  },
);

test("a database whose name nobody knows, and a socket file that is not there, are lost databases", async () => {
  for (const url of ["postgres://u:p@no-such-host.invalid/d", "postgres://u:p@%2Fno%2Fsuch/d"]) {
    expect(await failureOn(url, "statement")).toSatisfy(isConnectionLoss);
  }
});

test("what transactions say of their connection is a loss", () => {
  expect([new TransactionLostError(), new TransactionQueueError(1)]).toSatisfy((errors: Error[]) =>
    errors.every(isConnectionLoss),
  );
});

test("the same codes from a file, another server or nobody are no lost database", async () => {
  const missing = await readFile("/no/such/file").catch((error: unknown) => error);
  expect(missing).toMatchObject({ code: "ENOENT" });
  const port = await closedPort();
  const refused = await new Promise((resolve) => connect(port, "127.0.0.1").once("error", resolve));
  expect(refused).toMatchObject({ code: "ECONNREFUSED" });
  const reset = Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
  for (const error of [missing, refused, reset, null, "a string", { code: "CONNECTION_CLOSED" }]) {
    expect(error).not.toSatisfy(isConnectionLoss);
  }
});
