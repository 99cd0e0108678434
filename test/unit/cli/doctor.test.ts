import { expect, test } from "vitest";
import { runProgram } from "../../../src/cli/program.ts";
import { NO_COMMANDS } from "../../support/no-commands.ts";

async function doctor(...args: string[]) {
  const calls: object[] = [];
  const errors: string[] = [];
  const code = await runProgram(["doctor", ...args], {
    ...NO_COMMANDS,
    programName: "npx sluice",
    settings: () => {
      throw new Error("no client command");
    },
    async doctor(options) {
      calls.push(options);
      return 1;
    },
    io: {
      ...process,
      stderr: Object.assign(Object.create(process.stderr), { write: (text: string) => errors.push(text) }),
    },
  });
  return { calls, code, errors };
}

test("doctor only looks unless it is told to repair, and its exit code is the program's", async () => {
  const plain = { repair: false, all: false, json: false, programName: "npx sluice" };
  expect(await doctor()).toMatchObject({ calls: [plain], code: 1 });
  expect(await doctor("--repair", "--all", "--json")).toMatchObject({
    calls: [{ repair: true, all: true, json: true, programName: "npx sluice" }],
  });
});

test("a misspelt option is refused before anything is looked at", async () => {
  const { calls, code, errors } = await doctor("--repiar");
  expect({ calls, code }).toEqual({ calls: [], code: 2 });
  expect(errors.join("")).toContain("--repiar");
});
