import { once } from "node:events";
import { createServer } from "node:net";
import { expect, test } from "vitest";
import { residentBytes } from "../../../src/stages/host/process-memory.ts";
import { findSandbox } from "../../../src/stages/host/sandbox.ts";
import { isAlive, startPool, until } from "./harness.ts";

test("a stage runs in a child process and its document comes back as a file", async () => {
  await using h = await startPool();
  expect(await h.fact("test_echo", { kept: ["as", "it", "was"] })).toEqual({ kept: ["as", "it", "was"] });
  await until(() => h.pool.pids().length === 1, "its successor stands");
  const pids = h.pool.pids();
  expect(pids).toEqual([await h.fact("test_pid")]);
  expect(pids).not.toContain(process.pid);
});

test("aborting kills a busy child within 100 ms and the pool serves the next job", async () => {
  await using h = await startPool();
  const [pid] = h.pool.pids();
  const controller = new AbortController();
  let spinning = false;
  const onProgress = () => {
    spinning = true;
  };
  const run = h.pool.run(h.job("test_spin", null, { signal: controller.signal, onProgress }));
  const outcome = run.then(
    () => "resolved",
    (error: unknown) => error,
  );
  await until(() => spinning, "the stage spins");
  const reason = new Error("cancelled by its owner");
  controller.abort(reason);
  expect(await outcome).toBe(reason);
  expect(await isAlive(pid!)).toBe(false);
  expect(await h.fact("test_echo", 1)).toBe(1);
});

test("a job that waits for a child can be aborted, and the running one goes on", async () => {
  await using h = await startPool();
  const running = h.pool.run(h.job("test_work", 500));
  const controller = new AbortController();
  const waiting = h.pool.run(h.job("test_echo", 1, { signal: controller.signal }));
  controller.abort(new Error("no longer needed"));
  await expect(waiting).rejects.toThrow("no longer needed");
  await running;
  await expect(h.pool.run(h.job("test_echo", 1, { signal: controller.signal }))).rejects.toThrow(
    "no longer needed",
  );
});

test("a stage that fills memory with buffers is killed near the limit: PARSER_OUT_OF_MEMORY", async () => {
  await using h = await startPool();
  const failure = await h.pool.run(h.job("test_buffers")).catch((error: unknown) => error);
  expect(failure).toMatchObject({ name: "StageFailure", reason: "PARSER_OUT_OF_MEMORY", retryable: false });
  const peak = (failure as { evidence: { peakRssBytes: number } }).evidence.peakRssBytes;
  expect(peak).toBeGreaterThan(400 * 2 ** 20);
  expect(peak).toBeLessThan(900 * 2 ** 20);
  expect(await h.fact("test_echo", 2)).toBe(2);
});

test("a stage that outgrows its heap ends as PARSER_OUT_OF_MEMORY", async () => {
  await using h = await startPool({ oldSpaceMb: 64, maxRssBytes: 2 ** 31 });
  await expect(h.pool.run(h.job("test_heap"))).rejects.toMatchObject({ reason: "PARSER_OUT_OF_MEMORY" });
  expect(await h.fact("test_echo", 2)).toBe(2);
});

test("a stage without progress ends as PARSER_TIMEOUT, with the share it had reached as evidence", async () => {
  await using h = await startPool({ idleProgressTimeoutMs: 300 });
  await expect(h.pool.run(h.job("test_spin"))).rejects.toMatchObject({
    reason: "PARSER_TIMEOUT",
    retryable: false,
    evidence: { lastShare: 0.25 },
  });
  expect(await h.fact("test_echo", 3)).toBe(3);
});

test("a stage that makes progress for ever ends as STAGE_TIMEOUT", async () => {
  await using h = await startPool({ idleProgressTimeoutMs: 5_000 });
  const run = h.pool.run(h.job("test_chatty_spin", null, { timeoutMs: 400 }));
  await expect(run).rejects.toMatchObject({ reason: "STAGE_TIMEOUT", retryable: true });
});

test.each(["test_abort", "test_exit", "test_reject_later"])(
  "a crash (%s) is a failed stage, and the pool serves the next job",
  async (crash) => {
    await using h = await startPool();
    await expect(h.pool.run(h.job(crash))).rejects.toMatchObject({
      reason: "PARSER_CRASHED",
      retryable: false,
    });
    expect(await h.fact("test_echo", 4)).toBe(4);
  },
);

test("a child killed from outside is a crash that may be retried, also when it was idle", async () => {
  await using h = await startPool();
  const pid = h.pool.pids()[0]!;
  process.kill(pid, "SIGKILL");
  await until(() => !h.pool.pids().includes(pid), "the pool has noticed");
  expect(await h.fact("test_echo", 5)).toBe(5);
});

test.each(["SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"] as const)(
  "%s from outside is a crash that may be retried, and does not blame the document",
  async (signal) => {
    await using h = await startPool();
    const run = h.pool.run(
      h.job("test_spin", null, { onProgress: () => process.kill(h.pool.pids()[0]!, signal) }),
    );
    await expect(run).rejects.toMatchObject({
      reason: "PARSER_CRASHED",
      retryable: true,
      message: expect.not.stringContaining("document is damaged"),
    });
  },
);

test("faults keep their reason across the boundary; other throws lose stack and paths", async () => {
  await using h = await startPool();
  await expect(h.pool.run(h.job("test_document_fault"))).rejects.toMatchObject({
    name: "DocumentFault",
    reason: "DOCUMENT_ENCRYPTED",
    message: "The document is encrypted; send its password.",
  });
  await expect(h.pool.run(h.job("test_stage_failure"))).rejects.toMatchObject({
    name: "StageFailure",
    reason: "QUALITY_TOO_LOW",
    retryable: false,
  });
  const thrown = await h.pool.run(h.job("test_throw")).catch((error: Error) => error);
  expect(thrown).toMatchObject({ reason: "STAGE_FAILED" });
  expect((thrown as Error).message).toContain("cannot read");
  expect((thrown as Error).message).not.toMatch(/\/etc|\/tmp|sluice stages|at .*\.ts/);
  await expect(h.pool.run(h.job("no_such_stage"))).rejects.toMatchObject({ reason: "STAGE_FAILED" });
});

test("the page at which a stage hangs is heard, however fast it came there", async () => {
  await using h = await startPool({ idleProgressTimeoutMs: 500 });
  const told: unknown[] = [];
  const onProgress = (_share: number, message?: string) => void told.push(message);
  await h.pool.run(h.job("test_pages", null, { onProgress })).catch(() => {});
  expect(told.at(-1)).toBe("page 40 of 80");
});

test("the memory of the process that runs a stage is told while it grows", async () => {
  await using h = await startPool();
  const peaks: number[] = [];
  const failed = h.pool.run(h.job("test_buffers", null, { onPeak: (bytes) => peaks.push(bytes) }));
  await expect(failed).rejects.toMatchObject({ reason: "PARSER_OUT_OF_MEMORY" });
  expect(peaks.length).toBeGreaterThan(1);
  expect(peaks).toEqual([...peaks].sort((a, b) => a - b));
  expect(peaks.at(-1)).toBeGreaterThan(400 * 2 ** 20);
});

test("log lines of a stage are bounded in number and length", async () => {
  await using h = await startPool();
  const lines: string[] = [];
  await h.pool.run(h.job("test_flood", null, { onLog: (_level, line) => lines.push(line) }));
  expect(lines).toHaveLength(200);
  expect(Math.max(...lines.map((line) => line.length))).toBe(500);
});

test("a child is replaced after its share of documents, and when it stays fat", async () => {
  const detect = (h: Awaited<ReturnType<typeof startPool>>) => h.pool.run(h.job("detect", {}));
  await using h = await startPool({ maxDocumentsPerProcess: 2 });
  const [pid = 0] = h.pool.pids();
  await detect(h);
  expect(h.pool.pids()).toEqual([pid]);
  await detect(h);
  expect(h.pool.pids()).not.toContain(pid);
  await until(async () => !(await isAlive(pid)), "the worn child is gone");
  await detect(h);
  const [slim = 0] = h.pool.pids();
  await using narrow = await startPool({ maxRssBytes: (residentBytes(slim) ?? 0) * 1.5 });
  const [fat = 0] = narrow.pool.pids();
  await detect(narrow);
  await until(async () => !(await isAlive(fat)), "the fat child is gone");
});

test.each(["test_throw_later", "test_fail_and_throw_later"])(
  "what a custom stage leaves behind (%s) meets no other document: its child is replaced",
  async (stage) => {
    await using h = await startPool();
    const [pid = 0] = h.pool.pids();
    await h.pool.run(h.job(stage)).catch((error: { reason: string }) => {
      expect(error.reason).toBe("STAGE_FAILED");
    });
    for (let i = 0; i < 3; i++) await h.pool.run(h.job("detect", {}));
    expect(h.pool.pids()).not.toContain(pid);
  },
);

test("children see no variable of the parent's but PATH", async () => {
  process.env.SLUICE_TEST_SECRET = "hunter2";
  await using h = await startPool();
  const env = (await h.fact("test_env")) as Record<string, string>;
  expect(Object.keys(env).sort()).toEqual(["PATH", "TZ"]);
});

test("children read the code and their own folder, nothing else", async () => {
  await using h = await startPool();
  expect(await h.fact("test_read", h.sourcePath)).toBe(13);
  expect(await h.fact("test_read", "/etc/passwd")).toBe("ERR_ACCESS_DENIED");
  expect(await h.fact("test_read", "/proc/self/environ")).toBe("ERR_ACCESS_DENIED");
});

test("children cannot connect to anything, where the system can take the network away", async ({ skip }) => {
  if (!(await findSandbox(process.env.PATH ?? "")).networkIsolated) skip("no unshare here");
  await using h = await startPool();
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  expect(await h.fact("test_connect", port)).toBe("ENETUNREACH");
  server.close();
});

test("the work is the children's: of two seconds of it the parent's processor time sees little", async () => {
  await using h = await startPool({ size: 2 });
  await h.fact("test_echo", 1);
  const before = process.cpuUsage();
  await Promise.all([h.pool.run(h.job("test_work", 1_000)), h.pool.run(h.job("test_work", 1_000))]);
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1e6).toBeLessThan(0.5);
});

test("two jobs run at once on two children, the third waits its turn", async () => {
  await using h = await startPool({ size: 2 });
  const running = new Set<number>();
  const seen: number[] = [];
  const run = async (job: number) => {
    const onProgress = () => void seen.push(running.add(job).size);
    await h.pool.run(h.job("test_work", 500, { onProgress }));
    running.delete(job);
  };
  await Promise.all([run(1), run(2), run(3)]);
  expect(Math.max(...seen)).toBe(2);
});

test("stop leaves no process behind and refuses what still waits", async () => {
  const h = await startPool({ size: 2 });
  const pids = h.pool.pids();
  const runs = [1, 2, 3].map(() =>
    h.pool.run(h.job("test_spin")).catch((error: { reason: string }) => error.reason),
  );
  await h[Symbol.asyncDispose]();
  for (const reason of await Promise.all(runs)) expect(reason).toBe("STAGE_FAILED");
  for (const pid of pids) expect(await isAlive(pid)).toBe(false);
  await expect(h.pool.run(h.job("test_echo"))).rejects.toMatchObject({ retryable: true });
});
