import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";
import { createSluice, JobStatus } from "@sluice/sdk";
import { expect, test } from "vitest";
import { copyCheckout } from "../support/checkout.ts";
import {
  createSite,
  eventually,
  isRoot,
  longText,
  nobodyCanRun,
  nothingRuns,
  type Program,
  processesOf,
  type Site,
  writeInto,
} from "../support/processes.ts";

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

async function health(site: Site): Promise<number> {
  return await fetch(`${site.url}/health`).then(
    ({ status }) => status,
    () => 0,
  );
}

/** What is meant for people: everything but the log. */
const saidIn = (stderr: string): string[] =>
  stderr.split("\n").filter((line) => line !== "" && !line.startsWith("{"));

async function stop(program: Program): Promise<void> {
  program.kill("SIGTERM");
  expect(await program.exit(), program.stderr).toBe(0);
}

async function completes(site: Site, text: string): Promise<void> {
  const { code, stdout, stderr } = await site.run("submit", writeInto(site, "some.txt", text), "--wait");
  expect({ code, stderr, stdout: stdout.trim() }).toEqual({ code: 0, stderr: "", stdout: text });
}

/** An older Node on this machine, which has to hand over to the one that npm brought. */
const olderNode = (process.env.PATH ?? "")
  .split(delimiter)
  .map((folder) => join(folder, "node"))
  .find((path) => {
    try {
      const [major = 0, minor = 0] = execFileSync(path, ["-p", "process.versions.node"], { encoding: "utf8" })
        .split(".")
        .map(Number);
      return major >= 20 && (major < 22 || (major === 22 && minor < 19));
    } catch {
      return false;
    }
  });

test("a first start makes database, password and key for the owner alone, says where, and ends in good order", async () => {
  await using site = await createSite();
  const begun = performance.now();
  const server = site.start(["serve"]);
  await eventually(async () => (await health(site)) === 200, "healthy", 60_000);
  process.stdout.write(`first start: healthy after ${((performance.now() - begun) / 1000).toFixed(1)} s\n`);
  await server.says("npx sluice submit README.md --follow");
  expect(modeOf(site.dataDir)).toBe("700");
  for (const name of ["admin-password", "local-api-key", "master-key", "server.json"]) {
    expect([name, modeOf(join(site.dataDir, name))]).toEqual([name, "600"]);
  }
  expect(server.stdout).toContain(`password in ${join(site.dataDir, "admin-password")}`);
  const password = readFileSync(join(site.dataDir, "admin-password"), "utf8").trim();
  expect(server.stdout).not.toContain(password);
  const { user } = await site.client().auth.login({ email: "admin@localhost", password });
  expect(user?.roles).toEqual(["admin"]);
  await completes(site, "Made by a first start.");

  await stop(server);
  expect(processesOf(site.folder)).toEqual([]);
  expect(existsSync(join(site.dataDir, "server.json"))).toBe(false);
  expect(readdirSync(join(site.dataDir, "tmp"))).toEqual([]);

  const again = performance.now();
  const second = site.start(["serve"]);
  await eventually(async () => (await health(site)) === 200, "healthy again", 60_000);
  process.stdout.write(`later start: healthy after ${((performance.now() - again) / 1000).toFixed(1)} s\n`);
  await second.says("Sluice is ready at");
  const { jobs } = await site.client().jobs.listJobs({});
  expect(jobs.map(({ status }) => status)).toEqual([JobStatus.COMPLETED]);
});

test("a port that is taken is one plain sentence, and no half-started database stays behind", async () => {
  await using site = await createSite();
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(site.port, "127.0.0.1", resolve));
  try {
    const { code, stderr } = await site.run("serve");
    expect({ code, said: saidIn(stderr) }).toEqual({
      code: 1,
      said: [`Port ${site.port} on 127.0.0.1 is already in use; stop the other program or set SLUICE_ADDR.`],
    });
    expect(processesOf(site.folder)).toEqual([]);
  } finally {
    other.close();
  }
});

test("a second server on the same data folder is refused in one sentence, and the first goes on", async () => {
  await using site = await createSite();
  await using neighbour = await createSite({ env: { SLUICE_DATA_DIR: site.dataDir } });
  await site.serve();
  const { code, stderr } = await neighbour.run("serve");
  expect(code).toBe(1);
  expect(saidIn(stderr)).toEqual([
    expect.stringMatching(/data of this test.* is used by process \d+; stop it or choose/),
  ]);
  await completes(site, "Still at work.");
});

test("killed with -9 in the middle of work and started again, it has every job and finishes all of them", async () => {
  await using site = await createSite({ env: { SLUICE_LEASE_MS: "2000" } });
  const server = await site.serve();
  const client = site.client();
  const texts = [longText(600_000), ...Array.from({ length: 20 }, (_, n) => `Document number ${n}.`)];
  const ids = await Promise.all(texts.map(async (text) => (await client.jobs.submit({ text })).id));
  await eventually(async () => {
    const { jobs } = await client.jobs.listJobs({ statuses: [JobStatus.PROCESSING] });
    return jobs.length > 0;
  }, "a job runs");
  server.kill("SIGKILL");
  expect(await server.exit()).toBe(137);
  await nothingRuns(site.folder);

  await site.serve();
  const ended = await Promise.all(ids.map((id) => client.jobs.wait(id)));
  expect(ended.map(({ status }) => status)).toEqual(ids.map(() => JobStatus.COMPLETED));
  const results = await Promise.all(ids.slice(1).map((id) => client.jobs.result(id)));
  expect(results.map(({ extractedText }) => extractedText.trim())).toEqual(texts.slice(1));
});

test("SIGTERM hands back what runs: it ends with 0, leaves no process, and the job completes after the next start", async () => {
  await using site = await createSite({ env: { SLUICE_GRACE_MS: "300" } });
  const server = await site.serve();
  const client = site.client();
  const { id } = await client.jobs.submit({ text: longText(900_000) });
  await eventually(async () => (await client.jobs.get(id)).status === JobStatus.PROCESSING, "the job runs");
  await stop(server);
  expect(processesOf(site.folder)).toEqual([]);
  await site.serve();
  const job = await client.jobs.wait(id);
  expect(job.status).toBe(JobStatus.COMPLETED);
  expect(job.error).toBeUndefined();
});

test("Ctrl-C in its terminal hands back what runs: the job completes after the next start, at its first attempt", async () => {
  await using site = await createSite({ env: { SLUICE_GRACE_MS: "300" } });
  const server = await site.serve();
  const { id } = await site.client().jobs.submit({ text: longText(900_000) });
  for await (const { event } of site.client().jobs.watch(id)) {
    if (event.case === "stageStarted" && event.value.name === "enrich") break;
  }
  server.killGroup("SIGINT");
  expect(await server.exit()).toBe(0);
  await nothingRuns(site.folder);
  await site.serve();
  const job = await site.client().jobs.wait(id);
  expect(job).toMatchObject({ status: JobStatus.COMPLETED, attempt: 1 });
  expect(job.error).toBeUndefined();
});

test("a signal that reaches it twice at the same moment is one wish to stop; a second wish ends it at once", async () => {
  await using site = await createSite({ env: { SLUICE_GRACE_MS: "600000" } });
  const server = await site.serve();
  const client = site.client();
  const { id } = await client.jobs.submit({ text: longText(4_000_000) });
  await eventually(async () => (await client.jobs.get(id)).status === JobStatus.PROCESSING, "the job runs");
  server.kill("SIGINT");
  server.kill("SIGINT");
  await server.says("Stopping: running work is finished or handed back.");
  const asked = performance.now();
  await eventually(() => {
    server.kill("SIGINT");
    return server.code !== null;
  }, "the second wish is heard");
  expect(server.code).toBe(130);
  expect(performance.now() - asked).toBeLessThan(10_000);
  await nothingRuns(site.folder);
});

test.skipIf(!olderNode)(
  "under an older Node it starts, stops on Ctrl-C in good order, and does not outlive its launcher",
  async () => {
    await using site = await createSite(olderNode ? { node: olderNode } : {});
    const server = await site.serve();
    await completes(site, "Run by the Node that npm brought.");
    server.killGroup("SIGINT");
    expect(await server.exit()).toBe(0);
    expect(existsSync(join(site.dataDir, "server.json"))).toBe(false);

    const second = await site.serve();
    second.kill("SIGKILL");
    await second.exit();
    await nothingRuns(site.folder);
  },
);

test("settings that are wrong are all told at once, before anything is made", async () => {
  await using site = await createSite();
  const server = site.start(["serve"], {
    SLUICE_ADDR: "nowhere",
    SLUICE_LOG_LEVEL: "loud",
    SLUICE_LEASE_MS: "soon",
    SLUICE_CONCURENCY: "3",
    DATABASE_URL: "mysql://example.org",
  });
  expect(await server.exit()).toBe(2);
  for (const name of [
    "SLUICE_ADDR",
    "SLUICE_LOG_LEVEL",
    "SLUICE_LEASE_MS",
    "SLUICE_CONCURENCY",
    "DATABASE_URL",
  ]) {
    expect(server.stderr).toMatch(new RegExp(`^ *${name}: `, "m"));
  }
  expect(server.stderr).not.toMatch(/\bat .*\.ts/);
  expect(existsSync(site.dataDir)).toBe(false);
});

test("a checkout that nobody else can read, with a space in its path, serves as it is", async () => {
  await using checkout = await copyCheckout();
  await using site = await createSite({ checkout: checkout.path });
  await stop(await site.serve());
  await site.serve();
  await completes(site, "From a private checkout.");
});

test("an ordinary user can run it", async () => {
  await using checkout = nobodyCanRun() ? null : await copyCheckout({ forNobody: true });
  await using site = await createSite({ asNobody: true, ...(checkout ? { checkout: checkout.path } : {}) });
  await site.serve();
  expect(statSync(site.dataDir).uid).toBe(isRoot ? 65534 : process.getuid?.());
  await completes(site, "Run without rights.");
});

test("migrate and admin work on the data folder while no server runs, and beside one", async () => {
  await using site = await createSite();
  const tooEarly = await site.run("admin", "create-user", "early@example.org", "--role", "viewer");
  expect(tooEarly.code).toBe(1);
  expect(tooEarly.stderr).toMatch(/migrate/);
  expect(processesOf(site.folder)).toEqual([]);

  expect((await site.run("migrate")).stdout).toMatch(/^Migrated: 0001_/m);
  expect((await site.run("migrate")).stdout).toContain("The schema is up to date.");
  const before = await site.run("admin", "create-user", "before@example.org", "--role", "admin");
  expect({ code: before.code, said: saidIn(before.stderr) }).toEqual({ code: 0, said: [] });
  expect(processesOf(site.folder)).toEqual([]);

  await site.serve();
  expect((await site.run("migrate")).stdout).toContain("The schema is up to date.");
  const beside = await site.run("admin", "create-user", "beside@example.org", "--role", "viewer");
  expect(beside.code).toBe(0);
  const again = await site.run("admin", "create-user", "beside@example.org");
  expect(again.code).toBe(1);
  expect(again.stderr).toMatch(/^[^\n]*beside@example\.org[^\n]*\n$/);
  const reset = await site.run("admin", "reset-password", "beside@example.org");
  expect(reset.code).toBe(0);

  const anonymous = createSluice({ url: site.url });
  try {
    for (const [email, { stdout }] of [
      ["before@example.org", before],
      ["beside@example.org", reset],
    ] as const) {
      const password = stdout.trim().split(" ").at(-1) ?? "";
      const { user } = await anonymous.auth.login({ email, password });
      expect(user?.email).toBe(email);
    }
  } finally {
    anonymous.close();
  }
});

test("a worker without a server says so in one sentence, also after the server was killed, and names a database that is not there", async () => {
  await using site = await createSite();
  const without = await site.run("worker");
  expect(without.code).toBe(1);
  expect(without.stderr).toMatch(/^No database: [^\n]*sluice serve[^\n]*\n$/);

  const server = await site.serve("--no-worker");
  server.kill("SIGKILL");
  await nothingRuns(site.folder);
  const after = await site.run("worker");
  expect(after.code).toBe(1);
  expect(after.stderr).toBe(without.stderr);

  const elsewhere = site.start(["worker"], {
    DATABASE_URL: `postgres://me:tiger-lily@127.0.0.1:${site.port}/db`,
  });
  expect(await elsewhere.exit()).toBe(1);
  expect(saidIn(elsewhere.stderr)).toEqual([
    `The database at 127.0.0.1:${site.port} does not let us in: connect ECONNREFUSED 127.0.0.1:${site.port}. Start it, or correct DATABASE_URL.`,
  ]);
});
