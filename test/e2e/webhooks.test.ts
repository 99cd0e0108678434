import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runProgram } from "../../src/cli/program.ts";
import { NO_COMMANDS } from "../support/no-commands.ts";
import { freePort } from "../support/ports.ts";
import {
  createSite,
  eventually,
  type Finished,
  type Program,
  ROOT,
  type Site,
  startProcess,
} from "../support/processes.ts";

const NOBODYS = "0199d2a4-7c1e-7b3a-9f52-6d1c0e8a4b17";
let site: Site;

beforeAll(async () => {
  site = await createSite({ env: { SLUICE_EGRESS_ALLOW: "127.0.0.1" } });
  await site.serve();
});
afterAll(async () => {
  await site[Symbol.asyncDispose]();
});

/** Runs `sluice webhooks …` as the command line does, in this process: a start takes longer than all that they do. */
async function run(...args: string[]): Promise<Finished> {
  const stdout = new PassThrough({ highWaterMark: 1_000_000 });
  const stderr = new PassThrough({ highWaterMark: 1_000_000 });
  const settings = () => ({ url: site.url, dataDir: site.dataDir, configDir: site.folder });
  const code = await runProgram(["webhooks", ...args], {
    ...NO_COMMANDS,
    settings,
    io: { stdin: new PassThrough(), stdout, stderr },
  });
  return { code, stdout: String(stdout.read() ?? ""), stderr: String(stderr.read() ?? "") };
}

/** The same of one that must succeed. */
async function webhooks(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args);
  expect(code, stderr).toBe(0);
  return stdout;
}

const jsonOf = async (...args: string[]) => JSON.parse(await webhooks(...args, "--json"));

async function ended(program: Program): Promise<number> {
  program.kill("SIGINT");
  return await program.exit();
}

test("the commands make a webhook, change it, show what was sent to it, send it again, and delete it", async () => {
  const seen: (string | undefined)[] = [];
  let status = 500;
  const server = createServer((request, response) => {
    request.resume().on("end", () => {
      seen.push(request.headers.authorization);
      response.writeHead(status).end("an answer\u001b[31m");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
    const header = join(site.folder, "header");
    writeFileSync(header, "authorization: Bearer theirs\n");
    const made = await run("create", `${url}?key=1`, "--event", "job.*", "--header", `@${header}`);
    expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/^whsec_[\w+/]{43}=\n$/) });
    const [id = ""] = /[0-9a-f-]{36}/.exec(made.stderr) ?? [];
    expect(await webhooks("list")).toContain(`${id}  active  job.*   ${url}\n`);

    const refused = await run("test", id);
    expect(refused).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/^1 .* 500 +http +It answered/m),
    });
    expect(refused.stdout).toMatch(/Answer to the last one:\nan answer\n/);
    expect(await webhooks("update", id, "--event", "*", "--description", "ours", "--ordered")).toMatch(
      /^Headers +authorization\n.*^State +failing\n/ms,
    );
    status = 204;
    expect(await webhooks("test", id)).toMatch(/^Status +DELIVERED$/m);
    expect(new Set(seen)).toEqual(new Set(["Bearer theirs"]));

    const listed = (await webhooks("deliveries", id, "--json"))
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(listed.map(({ eventType }) => eventType)).toEqual(["webhook.test", "webhook.test"]);
    const { attempts, payload } = await jsonOf("delivery", listed[0].id);
    expect([attempts.length, JSON.parse(payload)]).toMatchObject([
      1,
      { type: "webhook.test", webhook: { id } },
    ]);
    for (const { id: sent } of listed) expect(await webhooks("redeliver", sent)).toContain("is sent again");
    await eventually(async () => {
      const delivered = await webhooks("deliveries", id, "--status", "delivered", "--json");
      return delivered.trim().split("\n").length === 2 && delivered.includes('"attemptCount":2');
    }, "both are delivered again");
    expect(await webhooks("replay", id, "--since", "2020-01-01")).toBe("2 deliveries are sent again.\n");
    expect(await webhooks("replay", id, "--since", "2020-01-01", "--only-failed")).toMatch(/^0 deliveries/);

    expect(await webhooks("rotate-secret", id, "--overlap", "1")).toMatch(/^whsec_/);
    expect(await webhooks("update", id, "--disable", "--remove-header", "authorization")).not.toMatch(
      /^Headers/m,
    );
    expect(await webhooks("get", id)).toMatch(/^State +disabled$/m);
    expect((await run("test", id)).stderr).toMatch(/^WEBHOOK_DISABLED: /);
    expect(await webhooks("events")).toContain("job.completed");
    expect(await webhooks("delete", id)).toBe(`${id} is deleted.\n`);
    expect(await run("get", id)).toMatchObject({ code: 1 });
    expect(await run("get", "x")).toMatchObject({
      code: 2,
      stderr: /no webhook id/ as never,
    });
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test("`listen` makes a webhook for its time, prints what arrives with its signature checked, and deletes it", async () => {
  const listening = site.start(["webhooks", "listen", "--event", "job.created", "webhook.test"]);
  await eventually(async () => listening.stderr.includes("Ctrl-C"), "it listens");
  const { id } = await jsonOf("list");
  const { job } = await site.client().jobs.createJob({ source: { case: "text", value: "x" } });
  await listening.says(new RegExp(`^signature good  .*  job\\.created  ${job?.id}  sequence=1`, "m"));
  const [url = ""] = /http:[^;]+/.exec(listening.stderr) ?? [];
  const forged = {
    "webhook-id": NOBODYS,
    "webhook-timestamp": String(Math.floor(Date.now() / 1_000)),
    "webhook-signature": "v1,AAAA",
  };
  const post = async (init: RequestInit) => (await fetch(url, { method: "POST", ...init })).status;
  expect(await post({ headers: forged, body: "{}" })).toBe(400);
  await listening.says(/^REFUSED {2}SIGNATURE_MISMATCH: /m);
  expect(await post({ body: "{}" })).toBe(400);
  expect(await post({ headers: forged, body: "x".repeat(1_000_000) }).catch(() => 413)).toBe(413);
  expect((await fetch(url)).status).toBe(405);
  expect(await webhooks("test", id)).toMatch(/^Status +DELIVERED$/m);
  expect(await ended(listening)).toBe(130);
  expect(await webhooks("list", "--json")).toBe("");
});

test("`listen` leaves no webhook behind when it is killed, its terminal is closed, or its reader goes", async () => {
  const signals = ["SIGTERM", "SIGHUP"] as const;
  const killed = signals.map((signal) => ({ signal, program: site.start(["webhooks", "listen"]) }));
  const env = { SLUICE_URL: site.url, SLUICE_API_KEY: site.apiKey() };
  const piped = startProcess(["sh", "-c", "node src/sluice.mjs webhooks listen | head -n 1"], { env });
  for (const { program } of [...killed, { program: piped }])
    await eventually(async () => program.stderr.includes("Ctrl-C"), "it listens");
  for (const { signal, program } of killed) {
    program.kill(signal);
    expect(await program.exit()).toBe(130);
  }
  const { id } = await jsonOf("list");
  await webhooks("test", id);
  await piped.says("webhook.test");
  await run("test", id);
  expect(await piped.exit()).toBe(0);
  expect(await webhooks("list", "--json")).toBe("");
});

test("`listen` with the secret of a webhook asks no server, and says what is wrong with another secret or the port", async () => {
  const port = String(await freePort());
  const made = await jsonOf("create", `http://127.0.0.1:${port}/any/path`, "--event", "*");
  const file = join(site.folder, "secret");
  writeFileSync(file, `${made.secret}\n`);
  const listening = site.start(["webhooks", "listen", "--port", port, "--secret-file", file, "--json"], {
    SLUICE_URL: "http://127.0.0.1:1",
  });
  await eventually(async () => listening.stderr.includes("Ctrl-C"), "it listens");
  expect(await webhooks("test", made.id)).toMatch(/^Status +DELIVERED$/m);
  expect(JSON.parse(listening.stdout)).toMatchObject({
    verified: true,
    event: { type: "webhook.test", webhook: { id: made.id } },
  });
  const taken = await run("listen", "--port", port, "--secret-file", file);
  expect(taken).toMatchObject({
    code: 1,
    stderr: `Port ${port} of this machine cannot be used: another program has it.\n`,
  });
  expect(await ended(listening)).toBe(130);
  writeFileSync(file, "whsec_short\n");
  const broken = await run("listen", "--secret-file", file);
  expect(broken).toMatchObject({
    code: 2,
    stderr: "The secret must be the whole text that begins with whsec_.\n",
  });
  await webhooks("delete", made.id);
});

test("the receiver in the SDK's README passes the type check, takes what is signed, and refuses all else", async () => {
  const readme = readFileSync(join(ROOT, "sdk/README.md"), "utf8");
  const [, code = ""] = /^<!-- example: receiver -->\n```ts\n([\s\S]*?)^```$/m.exec(readme) ?? [];
  mkdirSync(join(ROOT, ".cache"), { recursive: true });
  const folder = mkdtempSync(join(ROOT, ".cache", "receiver-"));
  try {
    const file = join(folder, "receiver.ts");
    writeFileSync(file, code);
    const tsconfig = { extends: join(ROOT, "tsconfig.json"), include: ["receiver.ts"] };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(tsconfig));
    const tsc = join(ROOT, "node_modules/typescript-7/bin/tsc");
    await promisify(execFile)(process.execPath, [tsc, "-p", folder]).catch((error: { stdout?: string }) => {
      throw new Error(error.stdout ?? String(error));
    });

    const port = String(await freePort());
    const url = `http://127.0.0.1:${port}/`;
    const { id, secret } = await jsonOf("create", url, "--event", "job.completed");
    const receiver = startProcess([process.execPath, file], { env: { WEBHOOK_SECRET: secret, PORT: port } });
    await receiver.says("ready");
    const { job } = await site.client().jobs.createJob({ source: { case: "text", value: "x" } });
    await receiver.says(`job ${job?.id} has a result\n`);
    const [delivery] = (await webhooks("deliveries", id, "--json")).split("\n");
    await webhooks("redeliver", JSON.parse(delivery ?? "").id);
    await eventually(
      async () => (await jsonOf("delivery", JSON.parse(delivery ?? "").id)).attemptCount === 2,
      "it is sent again",
    );
    expect((await fetch(url, { method: "POST", body: "{}" })).status).toBe(400);
    expect(receiver.stdout.match(/has a result/g)).toHaveLength(1);
    await ended(receiver);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
