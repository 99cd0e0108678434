import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createHarness } from "../../support/harness.ts";
import { createHome } from "../../unit/cli/run.ts";
import { startWire } from "./wire.ts";

const YAML = `name: invoices
description: Invoices, in small pieces
stages:
  - fetch
  - detect:
  - extract: { ocr: never }
    when: document.media_type != "text/csv"
  - chunk: { strategy: headings, max_tokens: 200 }
    retry: { max_attempts: 3, initial_backoff: 2s }
    on_failure: skip
`;

/** A command line that calls a server of its own. */
async function startCli() {
  const h = await createHarness();
  const wire = await startWire(h);
  const home = await createHome();
  return {
    h,
    wire,
    file: (name: string, text: string) => writeFile(join(home.folder, name), text),
    sluice: (...args: string[]) =>
      home.sluice(["pipelines", ...args], { url: wire.url, env: { SLUICE_API_KEY: "admin" } }),
    async [Symbol.asyncDispose]() {
      await home[Symbol.asyncDispose]();
      await wire[Symbol.asyncDispose]();
      await h[Symbol.asyncDispose]();
    },
  };
}

test("a file is applied once: it creates, changes, shows the difference, and makes no version without one", async () => {
  await using cli = await startCli();
  const { sluice, file } = cli;
  await file("p.yaml", YAML);
  const dry = await sluice("apply", "p.yaml", "--dry-run");
  expect(dry).toMatchObject({ code: 0, stderr: "" });
  expect(dry.stdout).toContain("+ name: invoices\n");
  expect(dry.stdout).toContain("invoices would be created, at version 1. Nothing was changed.\n");
  expect((await sluice("get", "invoices")).code).toBe(1);
  expect((await sluice("apply", "p.yaml")).stdout).toContain("invoices is created, at version 1.\n");
  expect(await sluice("apply", "p.yaml")).toEqual({
    code: 0,
    stdout: "invoices is as the file says, at version 1.\n",
    stderr: "",
  });
  await file("p.yaml", YAML.replace("max_tokens: 200", "max_tokens: 300"));
  const changed = await sluice("apply", "p.yaml");
  expect(changed.stdout.split("\n").filter((line) => /^[+-]/.test(line))).toEqual([
    "-       max_tokens: 200",
    "+       max_tokens: 300",
  ]);
  expect(changed.stdout).toMatch(/ {2}…\n.*invoices is updated, at version 2\.\n$/s);
  const json = await sluice("apply", "p.yaml", "--json");
  expect(JSON.parse(json.stdout)).toMatchObject({ action: "unchanged", diff: [], pipeline: { version: 2 } });
});

test("what get prints is a file that apply takes, in YAML and as JSON, and every version can be had", async () => {
  await using cli = await startCli();
  const { sluice, file } = cli;
  await file("p.yaml", YAML);
  await sluice("apply", "p.yaml");
  await file("p.yaml", YAML.replace("Invoices, in", "Bills, in"));
  await sluice("apply", "p.yaml");
  const { stdout } = await sluice("get", "invoices", "--version", "1");
  expect(stdout).toContain("# Version 1\n");
  await file("again.yaml", stdout);
  expect((await sluice("apply", "again.yaml", "--dry-run")).stdout).toContain(
    "+ description: Invoices, in small",
  );
  const { config } = JSON.parse((await sluice("get", "invoices", "--json")).stdout);
  const definition = { name: "invoices", description: "Bills, in small pieces", config };
  await file("p.json", JSON.stringify(definition));
  expect((await sluice("apply", "p.json")).stdout).toBe("invoices is as the file says, at version 2.\n");
  const versions = await sluice("versions", "invoices");
  expect(versions.stdout).toMatch(
    /MADE +VERSION.*\n.* 2 +yes +fetch > detect > extract > chunk +Bills.*\n.* 1 +yes/,
  );
  const lines = (await sluice("versions", "invoices", "--json")).stdout.trim().split("\n");
  expect(lines.map((line) => JSON.parse(line).version)).toEqual([2, 1]);
});

test("validate and apply print every fault with its path, and store nothing", async () => {
  await using cli = await startCli();
  const { sluice, file } = cli;
  await file("bad.yaml", "name: bad\nstages:\n  - extract: { max_pages: -1 }\n    when: nope\n  - fetch\n");
  for (const verb of ["validate", "apply"]) {
    const { code, stdout, stderr } = await sluice(verb, "bad.yaml");
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr.split("\n").map((line) => line.split(": ").slice(0, 2).join(": "))).toEqual([
      "bad.yaml: stages[0].extract.max_pages",
      "bad.yaml: stages[0].when",
      "bad.yaml: stages[0]",
      "bad.yaml: stages[1]",
      "",
    ]);
  }
  const json = await sluice("validate", "bad.yaml", "--json");
  expect(
    json.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).field),
  ).toContain("config.stages[0].when");
  await file("good.yaml", YAML);
  expect(await sluice("validate", "good.yaml")).toMatchObject({
    code: 0,
    stdout: "good.yaml has no fault.\n",
  });
  expect((await sluice("list")).stdout.trim().split("\n")).toHaveLength(2);
});

test("a file that cannot be read is told in one sentence that names it", async () => {
  await using cli = await startCli();
  const { sluice, file } = cli;
  const told = async (text: string) => {
    await file("f.yaml", text);
    const { code, stdout, stderr } = await sluice("apply", "f.yaml");
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    return stderr;
  };
  expect(await told("a: [")).toMatch(/^f\.yaml: Flow sequence/);
  expect(await told("just words")).toBe("f.yaml: it must hold name, description and stages.\n");
  expect(await told("name: x")).toBe("f.yaml: it must hold `stages`.\n");
  expect(await told("name: x\nstages: 3")).toBe("f.yaml: `stages` must be a list.\n");
  expect(await told("stages: [detect]")).toBe("f.yaml: it must hold the `name` of the pipeline.\n");
  expect(await told("name: x\nstages:\n  - chunk: { size: 3 }")).toMatch(/^f\.yaml: .*"size" is unknown/);
  expect(await told("name: x\nstages:\n  - chunk: { strategy: pages }")).toMatch(
    /^f\.yaml: .*CHUNK_STRATEGY_PAGES/,
  );
  expect(await told("name: X Y\nstages: [detect]")).toContain("INVALID_REQUEST");
  expect((await sluice("apply", "none.yaml")).stderr).toBe("none.yaml: there is no such file.\n");
});

test("a secret in a file is sent and never shown, and without it the stored one stays", async () => {
  await using cli = await startCli();
  const { sluice, file } = cli;
  const text = (password: string) => `name: locked\nstages: [fetch, detect, { extract: { ${password} } }]\n`;
  await file("p.yaml", text("password: hunter2"));
  const outputs = [
    await sluice("apply", "p.yaml"),
    await sluice("apply", "p.yaml", "--json"),
    await sluice("get", "locked"),
  ];
  expect(outputs.map(({ code }) => code)).toEqual([0, 0, 0]);
  for (const { stdout, stderr } of outputs) expect(stdout + stderr).not.toContain("hunter2");
  expect(outputs[0]?.stdout).toContain("sent anew");
  await file("p.yaml", text(""));
  expect((await sluice("apply", "p.yaml")).stdout).toBe("locked is as the file says, at version 2.\n");
  const { pipelineId, stages } = await cli.h.pipelines.forNewJob({ id: "", name: "locked", version: 0 });
  expect(pipelineId).toBeTruthy();
  expect(stages[2]?.sealedSecret).toBeTruthy();
});

test("a pipeline is deleted by its name, and the pipeline default is not", async () => {
  await using cli = await startCli();
  const { sluice, file } = cli;
  await file("p.yaml", YAML);
  await sluice("apply", "p.yaml");
  expect(await sluice("delete", "invoices")).toMatchObject({ code: 0, stdout: "invoices is deleted.\n" });
  expect((await sluice("delete", "invoices")).stderr).toContain(
    "PIPELINE_NOT_FOUND: Pipeline invoices was deleted",
  );
  expect((await sluice("delete", "default")).stderr).toContain("PIPELINE_PROTECTED");
});

test("the address of the server may stand before the command, between its words and behind it", async () => {
  await using cli = await startCli();
  await using home = await createHome();
  const env = { SLUICE_API_KEY: "admin" };
  const { url } = cli.wire;
  for (const args of [
    ["--url", url, "pipelines", "list"],
    ["pipelines", "--url", url, "list"],
    ["pipelines", "list", "--url", url],
  ]) {
    expect(await home.sluice(args, { env })).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("default"),
    });
  }
  expect(await home.sluice(["--version"], {})).toMatchObject({ code: 0, stdout: "0.0.0\n" });
});
