import { setTimeout as sleep } from "node:timers/promises";
import type { Program, Site } from "../support/processes.ts";

/** A place in the fleet that one process after another fills, as a service manager would see to. */
export interface Member {
  readonly name: string;
  readonly site: Site;
  /** Of the process that fills it now. */
  readonly pid: number;
  readonly stderr: string;
  /** Fills the place, again and again until a process is ready. @throws after a minute */
  start(): Promise<void>;
  /** Ends the process. @throws if it is still there after a minute */
  end(signal: "SIGKILL" | "SIGTERM"): Promise<void>;
  freeze(): void;
  wake(): void;
  /** Tells of a process that was ready and has ended although nobody ended it, once. */
  ownDeath(): string | null;
  /** Starts that ended before they were ready, with what they said last. */
  readonly refusedStarts: readonly string[];
  /** Everything that all processes of this place have written. */
  output(): string;
}

const START_MS = 60_000;
const AGAIN_MS = 500;

/** @param ready what a process says when it is at work */
export function createMember(name: string, site: Site, args: readonly string[], ready: string): Member {
  const all: Program[] = [];
  const refusedStarts: string[] = [];
  let atWork = false;
  const now = (): Program => {
    const program = all.at(-1);
    if (!program) throw new Error(`${name} was never started`);
    return program;
  };
  return {
    name,
    site,
    get pid() {
      return now().pid;
    },
    get stderr() {
      return now().stderr;
    },
    refusedStarts,
    async start() {
      const endsAt = performance.now() + START_MS;
      for (;;) {
        const program = site.start(args);
        all.push(program);
        while (program.code === null && !program.stdout.includes(ready)) await sleep(25);
        atWork = program.code === null;
        if (atWork) return;
        refusedStarts.push(program.stderr.trim().split("\n").at(-1)?.slice(0, 300) ?? "");
        if (performance.now() > endsAt) throw new Error(`${name} did not start: ${refusedStarts.at(-1)}`);
        await sleep(AGAIN_MS);
      }
    },
    async end(signal) {
      atWork = false;
      now().kill(signal);
      await now().exit();
    },
    freeze: () => now().kill("SIGSTOP"),
    wake: () => now().kill("SIGCONT"),
    ownDeath() {
      const { code, stderr, pid } = now();
      if (!atWork || code === null) return null;
      atWork = false;
      return `${name} (pid ${pid}) ended by itself with ${code}: ${stderr.trim().slice(-500)}`;
    },
    output: () =>
      all.map(({ pid, code, stdout, stderr }) => `── pid ${pid}, ${code}\n${stdout}\n${stderr}`).join("\n"),
  };
}
