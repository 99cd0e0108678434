import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { programNameOf } from "../../../src/cli/program-name.ts";
import { startServer } from "../sdk/server.ts";
import { createHome } from "./run.ts";

test("the program is called as it was started: installed by its name, from a project through npx", () => {
  const given = {
    "/usr/local/bin/sluice": "sluice",
    "C:\\tools\\sluice": "npx sluice",
    "/home/a/project/node_modules/.bin/sluice": "npx sluice",
    "/home/a/sluice/src/sluice.mjs": "npx sluice",
    "/home/a/.npm/_npx/1f/node_modules/.bin/sluice": "npx sluice",
  };
  expect(Object.keys(given).map(programNameOf)).toEqual(Object.values(given));
  expect(programNameOf(undefined)).toBe("npx sluice");
});

test("a command that is wrong points to its own help", async () => {
  await using home = await createHome();
  const said = async (...args: string[]) => (await home.sluice(args, { url: "http://127.0.0.1:9" })).stderr;
  expect(await said("nothing")).toMatch(/^Try `(?:npx )?sluice --help`\.$/m);
  expect(await said("webhooks", "create")).toMatch(/^Try `(?:npx )?sluice webhooks create --help`\.$/m);
});

test("every command that the program tells people to type begins with the name it was started by", async () => {
  await using home = await createHome();
  await writeFile(join(home.folder, "a.txt"), "x");
  await using server = await startServer({ credential: "slk_other" });
  const env = { TEST_PROGRAM_NAME: "npx sluice" };
  const outputs = await Promise.all(
    [
      ["--help"],
      ["serve", "--help"],
      ["login", "--help"],
      ["submit", "--help"],
      ["jobs", "list", "--help"],
      ["result", "--help"],
      ["jobs", "get", "nope"],
      ["nothing"],
      ["submit", "a.txt"],
      ["jobs", "list", "--url", "http://127.0.0.1:9"],
    ].map((args) => home.sluice(args, { url: server.url, env })),
  );
  const text = outputs.map(({ stdout, stderr }) => stdout + stderr).join("\n");
  expect(text).toContain("Usage: npx sluice submit");
  expect(text).toContain("Run `npx sluice login`");
  expect(text).toContain("Start one with `npx sluice serve`");
  expect(text).toContain("nope is no job id; `npx sluice jobs list` shows them.");
  expect(text.match(/(?<!npx )\bsluice (?=[a-z-]*(login|submit|jobs|serve|result|--help))/g)).toBeNull();
});
