import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { expect, test } from "vitest";

const LOGGER = new URL("../../../src/telemetry/logger.ts", import.meta.url);

/** Runs `code` with a `logger`; its standard error is not read before it is asked for. */
function run(code: string): ChildProcessByStdio<null, Readable, Readable> {
  const program = `import { createLogger } from ${JSON.stringify(LOGGER.href)};
    const logger = createLogger("info");
    ${code}`;
  return spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["ignore", "pipe", "pipe"],
  });
}

interface Line {
  readonly msg: string;
  readonly n?: number;
  readonly lines?: number;
}

/** The lines that come until one says `last`, or until the end. */
async function linesOf(stream: Readable, last?: string): Promise<Line[]> {
  let text = "";
  for await (const chunk of stream) {
    text += chunk;
    if (last && text.includes(last)) break;
  }
  const whole = text.split("\n").slice(0, -1);
  return whole.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
}

test("a reader of the log that reads nothing keeps nobody waiting, and is told of the lines that were lost", async () => {
  const child = run(`
    for (let n = 0; n < 30_000; n++) logger.info({ n, filler: "x".repeat(200) }, "line");
    console.log("went on");
    setInterval(() => logger.info({}, "later"), 50);
  `);
  const [said] = (await once(child.stdout, "data")) as [Buffer];
  expect(String(said)).toContain("went on");
  const lines = await linesOf(child.stderr, "whoever reads them is too slow");
  child.kill();
  const kept = lines.filter(({ msg }) => msg === "line");
  expect(kept.map(({ n }) => n)).toEqual(kept.map((_, n) => n));
  expect(kept.length).toBeGreaterThan(10_000);
  const told = lines.find(({ msg }) => msg.startsWith("log lines were lost"));
  expect(told?.lines).toBe(30_000 - kept.length);
});

test("what was logged before the end is written, however the process ends", async () => {
  for (const end of ["process.exit(3)", "throw new Error('on purpose')", ""]) {
    const child = run(`for (let n = 0; n < 2_000; n++) logger.info({ n }, "line"); ${end}`);
    expect(await linesOf(child.stderr), end).toHaveLength(2_000);
  }
});
