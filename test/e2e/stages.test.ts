import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { createSite, ROOT, writeInto } from "../support/processes.ts";

const EXAMPLE = join(ROOT, "sdk/examples/glossary.mjs");
const PIPELINE = `name: leases
stages:
  - fetch
  - detect
  - extract
  - custom: { type: glossary, options: { terms: [lease, tenant], mark: true } }
    name: glossary
  - redact: { kinds: [EMAIL] }
`;

test("the example of a custom stage passes the type check that its authors have", async () => {
  mkdirSync(join(ROOT, ".cache"), { recursive: true });
  const folder = mkdtempSync(join(ROOT, ".cache", "stages-"));
  try {
    const compilerOptions = { allowJs: true, checkJs: true };
    const tsconfig = { extends: join(ROOT, "tsconfig.json"), compilerOptions, include: [EXAMPLE] };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(tsconfig));
    const tsc = join(ROOT, "node_modules/typescript-7/bin/tsc");
    await promisify(execFile)(process.execPath, [tsc, "-p", folder]).catch((error: { stdout?: string }) => {
      throw new Error(error.stdout ?? String(error));
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("the example of a custom stage is listed, checked and run; a worker without it hands its job on, until it fails", async () => {
  await using site = await createSite();
  const server = await site.serve("--no-worker", "--stages", EXAMPLE);
  const worker = site.start(["worker", "--stages", EXAMPLE]);
  await worker.says("Sluice worker runs");
  const client = site.client();
  const { stageTypes } = await client.pipelines.listStageTypes({});
  expect(stageTypes.find(({ name }) => name === "glossary")).toMatchObject({
    isCustom: true,
    version: 1,
    description: "Counts the terms of a glossary and marks them.",
    optionsSchema: { required: ["terms"] },
  });
  const file = writeInto(site, "leases.yaml", PIPELINE);
  const broken = writeInto(site, "broken.yaml", PIPELINE.replace("[lease, tenant]", "[lease, 1]"));
  expect(await site.run("pipelines", "validate", file)).toMatchObject({ code: 0 });
  const refused = await site.run("pipelines", "validate", broken);
  expect(refused.code).toBe(1);
  expect(refused.stdout + refused.stderr).toContain("stages[3].custom.options.terms[1]");
  expect(await site.run("pipelines", "apply", file)).toMatchObject({ code: 0 });
  const text = writeInto(
    site,
    "lease.txt",
    "The lease binds the tenant, and the lease ends. Ask jane@example.org.",
  );
  const done = await site.run("submit", text, "--pipeline", "leases", "--wait");
  expect(done.stdout.trim(), done.stderr).toBe(
    "The [lease] binds the [tenant], and the [lease] ends. Ask [redacted].",
  );
  const { jobs } = await client.jobs.listJobs({});
  expect((await client.jobs.result(jobs[0]?.id ?? "")).resultMetadata).toMatchObject({
    facts: { stages: { glossary: { found: { lease: 2, tenant: 1 } } }, redactions: { email: 1 } },
  });
  worker.kill("SIGTERM");
  expect(await worker.exit()).toBe(0);
  const plain = await site.worker();
  const outcome = client.jobs.run({ text: "x" }, { pipeline: "leases", maxAttempts: 2 });
  await expect(outcome).rejects.toMatchObject({ reason: "STAGE_UNAVAILABLE", job: { attempt: 2 } });
  plain.kill("SIGTERM");
  server.kill("SIGTERM");
  expect([await plain.exit(), await server.exit()]).toEqual([0, 0]);
});

test("a faulty module ends the start with a sentence that names it", async () => {
  await using site = await createSite();
  const file = writeInto(site, "faulty.mjs", "export const stages = [{ name: 'half' }];");
  const program = site.start(["serve", "--stages", file]);
  expect(await program.exit()).toBe(1);
  const said = program.stderr.split("\n").filter((line) => line !== "" && !line.startsWith("{"));
  expect(said).toEqual([
    `The stages of --stages cannot be used. ${file}: stages[0] (half) needs a \`version\`, a whole number from 1; count it up when the output changes.`,
  ]);
});
