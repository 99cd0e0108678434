import { beforeEach } from "vitest";
import { outputOf, programs } from "./processes.ts";

// A test that has failed shows what the programs that it started have written.
beforeEach(({ onTestFailed, onTestFinished }) => {
  onTestFailed(() => {
    for (const program of programs) process.stderr.write(`\n${outputOf(program)}\n`);
  });
  onTestFinished(() => {
    for (const program of programs) if (program.code !== null) programs.delete(program);
  });
});
