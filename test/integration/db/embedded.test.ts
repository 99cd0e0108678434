import { execFileSync, spawn } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import postgres from "postgres";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { chooseInstallation } from "../../../src/db/embedded/choose.ts";
import { existingCluster } from "../../../src/db/embedded/cluster.ts";
import { startServer } from "../../../src/db/embedded/server.ts";
import {
  DataDirInUseError,
  DataDirVersionError,
  PasswordLostError,
  startEmbeddedPostgres,
} from "../../../src/db/embedded.ts";
import { freePort } from "../../support/ports.ts";
import {
  copyLauncher,
  giveToOrdinaryUser,
  isAlive,
  isRoot,
  killTree,
  startProgram,
  tempFolder,
} from "./embedded-harness.ts";

vi.setConfig({ testTimeout: 60_000 });

async function start(dataDir: string, extra: Partial<Parameters<typeof startEmbeddedPostgres>[0]> = {}) {
  const server = await startEmbeddedPostgres({ dataDir, ...extra });
  onTestFinished(() => server.stop());
  return server;
}

async function query<T>(url: string, work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    return await work(sql);
  } finally {
    await sql.end();
  }
}

const gone = (pid: number) =>
  vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 30_000, interval: 20 });

describe("a database of our own", () => {
  test("is made at the first start, durable, private, and keeps its rows over a restart", async () => {
    const folder = tempFolder();
    const dataDir = join(folder.path, "deep er", "db");
    const first = await start(dataDir);
    expect(first.initialized).toBe(true);
    await query(first.url, async (sql) => {
      await sql`create table kept as select 'kürzer' as word`;
      const settings = await sql<{ name: string; setting: string }[]>`
        select name, setting from pg_settings where name in ('fsync', 'synchronous_commit', 'listen_addresses', 'server_encoding')`;
      expect(Object.fromEntries(settings.map((row) => [row.name, row.setting]))).toEqual({
        fsync: "on",
        synchronous_commit: "on",
        listen_addresses: "127.0.0.1",
        server_encoding: "UTF8",
      });
    });
    expect(statSync(dataDir).mode & 0o777).toBe(0o700);
    expect(statSync(join(dataDir, "password")).mode & 0o777).toBe(0o600);
    await first.stop();
    await first.stop();
    expect(isAlive(first.pid)).toBe(false);

    const second = await start(dataDir);
    expect(second.initialized).toBe(false);
    expect(await query(second.url, (sql) => sql`select upper(word) as word from kept`)).toEqual([
      { word: "KÜRZER" },
    ]);
    const wrong = second.url.replace(/:[^:@]+@/, ":wrong@");
    await expect(query(wrong, (sql) => sql`select 1`)).rejects.toThrow(/password authentication failed/);
  });

  test("listens where it is told to, also when the server before was killed with -9 there", async () => {
    const folder = tempFolder();
    const port = await freePort();
    const first = await start(folder.path, { port });
    process.kill(first.pid, "SIGKILL");
    await first.exited;
    await first.stop();
    const second = await start(folder.path, { port });
    expect(second.url).toBe(first.url);
    expect(new URL(second.url).port).toBe(String(port));
    expect(await query(second.url, (sql) => sql`select 1 as one`)).toEqual([{ one: 1 }]);
  });

  test("loses no acknowledged row when program and server are killed with -9", async () => {
    const folder = tempFolder();
    await using program = startProgram([folder.path, "insert"]);
    const { pid } = await program.line();
    let acked = 0;
    while (acked < 200) acked = (await program.line()).acked ?? 0;
    killTree(program.child, pid);
    await program.exited;
    for (;;) {
      const rest = await program.line().catch(() => null);
      if (rest === null) break;
      acked = rest.acked ?? acked;
    }
    const again = await start(folder.path);
    const [row] = await query(again.url, (sql) => sql<[{ n: number }]>`select count(*)::int as n from acked`);
    expect(row.n).toBeGreaterThanOrEqual(acked);
  });

  test("ends its server when the program is killed with -9, and the folder is free again", async () => {
    const folder = tempFolder();
    await using program = startProgram([folder.path, "hold"]);
    const { pid } = await program.line();
    program.child.kill("SIGKILL");
    await gone(pid);
    expect((await start(folder.path)).initialized).toBe(false);
  });

  test("ends its server when the program exits without stopping it", async () => {
    const folder = tempFolder();
    await using program = startProgram([folder.path, "exit"]);
    const { pid } = await program.line();
    await program.exited;
    await gone(pid);
  });

  test("ends its server when the thread that started it ends", async () => {
    const folder = tempFolder();
    const source = `import { startEmbeddedPostgres } from ${JSON.stringify(new URL("../../../src/db/embedded.ts", import.meta.url).href)};
      import { parentPort } from "node:worker_threads";
      parentPort.postMessage((await startEmbeddedPostgres({ dataDir: ${JSON.stringify(folder.path)} })).pid);
      parentPort.once("message", () => process.exit(0));`;
    const thread = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`));
    const pid = await new Promise<number>((resolve, reject) => {
      thread.once("message", resolve);
      thread.once("error", reject);
    });
    expect(isAlive(pid)).toBe(true);
    thread.postMessage("end");
    await gone(pid);
  });

  test("starts although the id in a stale pid file belongs to another process by now", async () => {
    const folder = tempFolder();
    await (await start(folder.path)).stop();
    // Not ourselves: PostgreSQL forgives the id of its own parent.
    const stranger = spawn(process.execPath, ["-e", "process.stdin.resume()"], {
      stdio: ["pipe", "ignore", "ignore"],
    });
    onTestFinished(() => void stranger.kill());
    writeFileSync(
      join(folder.path, "pgdata/postmaster.pid"),
      `${stranger.pid}\n${folder.path}\n1\n1\n\n127.0.0.1\n1 1\nready   \n`,
    );
    expect((await start(folder.path)).pid).not.toBe(stranger.pid);
    expect(isAlive(stranger.pid ?? 0)).toBe(true);
  });

  test("stops a server that a dead program left on the folder, and starts anew", async () => {
    const folder = tempFolder();
    await (await start(folder.path)).stop();
    const existing = await existingCluster(folder.path);
    const installation = await chooseInstallation({ dataDir: folder.path, cacheDir: folder.path, existing });
    const left = await startServer(installation, folder.path);
    onTestFinished(() => left.stop());
    const warnings: string[] = [];
    const logger = { info: () => {}, warn: (_: object, message: string) => warnings.push(message) };
    const server = await start(folder.path, { logger });
    expect(isAlive(left.pid)).toBe(false);
    expect(warnings).toHaveLength(1);
    expect(server.pid).not.toBe(left.pid);
  });
});

describe("a folder that cannot be used is refused with a plain sentence", () => {
  test("when another process holds it, and that process is not disturbed", async () => {
    const folder = tempFolder();
    await using holder = startProgram([folder.path, "hold"]);
    const { url } = await holder.line();
    const refused = startEmbeddedPostgres({ dataDir: folder.path });
    await expect(refused).rejects.toThrow(DataDirInUseError);
    await expect(refused).rejects.toThrow(
      `${folder.path} is used by process ${holder.child.pid}; stop it or choose another SLUICE_DATA_DIR.`,
    );
    expect(await query(url, (sql) => sql`select 1 as one`)).toEqual([{ one: 1 }]);
  });

  test("when this process holds it already; two starts at once give one server", async () => {
    const folder = tempFolder();
    const both = await Promise.allSettled([start(folder.path), start(folder.path)]);
    const refused = both.filter((result) => result.status === "rejected");
    expect(refused.map((result) => result.reason)).toEqual([expect.any(DataDirInUseError)]);
  });

  test("when another major version wrote it", async () => {
    const folder = tempFolder();
    mkdirSync(join(folder.path, "pgdata"));
    writeFileSync(join(folder.path, "pgdata/PG_VERSION"), "13\n");
    const refused = startEmbeddedPostgres({ dataDir: folder.path });
    await expect(refused).rejects.toThrow(DataDirVersionError);
    await expect(refused).rejects.toThrow(/pg_dumpall/);
  });

  test("when the password file is gone", async () => {
    const folder = tempFolder();
    mkdirSync(join(folder.path, "pgdata"));
    writeFileSync(join(folder.path, "pgdata/PG_VERSION"), "18\n");
    await expect(startEmbeddedPostgres({ dataDir: folder.path })).rejects.toThrow(PasswordLostError);
  });

  test("when a file stands in its place", async () => {
    const folder = tempFolder();
    const file = join(folder.path, "file");
    writeFileSync(file, "");
    await expect(startEmbeddedPostgres({ dataDir: file })).rejects.toThrow(/choose another SLUICE_DATA_DIR/);
  });
});

describe("an ordinary user", () => {
  test.each(["direct", "supervised"])("runs it %s, in a folder of mode 0700", async (identity) => {
    const folder = tempFolder();
    giveToOrdinaryUser(folder.path);
    await using program = startProgram([folder.path, "hold", identity], { asOrdinaryUser: true });
    const { error, message, pid, uid, url } = await program.line();
    expect(error, message).toBeUndefined();
    expect(uid).not.toBe(0);
    expect(await query(url, (sql) => sql`select 1 as one`)).toEqual([{ one: 1 }]);
    program.child.kill("SIGKILL");
    await gone(pid);
  });
});

describe.runIf(isRoot)("root", () => {
  test("runs it in a user namespace, in a folder of mode 0700, and the files stay root's", async () => {
    const folder = tempFolder();
    chmodSync(folder.path, 0o700);
    const dataDir = join(folder.path, "db");
    await start(dataDir, { identities: ["namespace"] });
    expect(statSync(join(dataDir, "pgdata")).uid).toBe(0);
  });

  test("runs it as nobody when there are no namespaces, and moves one database between both ways", async () => {
    const folder = tempFolder();
    chmodSync(folder.path, 0o755);
    const dataDir = join(folder.path, "db");
    for (const identity of ["nobody", "namespace", "nobody"] as const) {
      const server = await start(dataDir, { identities: [identity] });
      await query(server.url, (sql) => sql`create table if not exists kept (n int)`);
      expect(statSync(join(dataDir, "pgdata")).uid).toBe(identity === "nobody" ? 65534 : 0);
      await server.stop();
    }
  });

  test("passes closed folders as nobody when there is no other way", async () => {
    const folder = tempFolder();
    chmodSync(folder.path, 0o700);
    const dataDir = join(folder.path, "db");
    const refused = startEmbeddedPostgres({ dataDir, identities: ["nobody"] });
    await expect(refused).rejects.toThrow(/cannot reach .* set DATABASE_URL/);
    await start(dataDir, { identities: ["nobody", "nobody-override"] });
  });

  test("copies the binaries when nobody else can read the checkout", async () => {
    const folder = tempFolder();
    chmodSync(folder.path, 0o700);
    const cache = tempFolder();
    chmodSync(cache.path, 0o755);
    const checkout = join(folder.path, "checkout");
    copyLauncher(checkout);
    const args = [join(folder.path, "db"), "stop", "nobody", "nobody-override"];
    await using program = startProgram(args, { checkout, cacheDir: cache.path });
    const { error, message } = await program.line();
    expect(error, message).toBeUndefined();
    await program.exited;
    expect(readdirSync(cache.path)).toHaveLength(1);
  });

  test("leaves the database of an ordinary user to that user", async () => {
    const folder = tempFolder();
    chmodSync(folder.path, 0o755);
    const dataDir = join(folder.path, "db");
    await (await start(dataDir, { identities: ["nobody"] })).stop();
    execFileSync("chown", ["-R", "12345:12345", dataDir]);
    await start(dataDir);
    expect(statSync(join(dataDir, "pgdata")).uid).toBe(12345);
  });
});
