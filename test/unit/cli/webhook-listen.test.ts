import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { Webhook } from "standardwebhooks";
import { expect, test } from "vitest";
import { until } from "../../support/until.ts";
import { createHome, type Finished } from "./run.ts";

const SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
const JOB = "0199d2a4-7c1e-7b3a-9f52-6d1c0e8a4b17";
const TIME = "2026-01-15T09:30:00.000Z";
const event = (type: string, job: object) => JSON.stringify({ type, version: "v1", time: TIME, job });

/** `sluice webhooks listen` with that secret, of which no server knows. */
async function startListening(...options: string[]) {
  const home = await createHome();
  const file = join(home.folder, "secret");
  await writeFile(file, `${SECRET}\n`);
  let output = "";
  let interrupt = (): void => {};
  const finished: Promise<Finished> = home.sluice(["webhooks", "listen", "--secret-file", file, ...options], {
    url: "http://127.0.0.1:1",
    onOutput(text, kill) {
      output = text;
      interrupt = () => kill("SIGINT");
    },
  });
  const [port = ""] = await until(async () => /(?<=127\.0\.0\.1:)\d+/.exec(output), "it listens");
  return {
    port: Number(port),
    says: (text: RegExp) => until(async () => text.test(output), String(text)),
    async post(body: string, headers: Record<string, string> = signed(body)) {
      const init = { method: "POST", body, headers: { ...headers, "content-type": "application/json" } };
      return (await fetch(`http://127.0.0.1:${port}/any`, init)).status;
    },
    async end(): Promise<Finished> {
      interrupt();
      return await finished;
    },
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  };
}

function signed(body: string, id = "msg_1"): Record<string, string> {
  const now = new Date();
  return {
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(now.getTime() / 1_000)),
    "webhook-signature": new Webhook(SECRET).sign(id, now, body),
  };
}

test("each event is a line with its signature checked, answered by 204, or by 400 if it is not good, until Ctrl-C", async () => {
  await using listening = await startListening();
  const failed = event("job.failed", { id: JOB, sequence: 9, errorReason: "DOCUMENT_CORRUPT" });
  expect(await listening.post(failed)).toBe(204);
  expect(await listening.post(failed, { ...signed(failed), "webhook-signature": "v1,AAAA" })).toBe(400);
  expect(await listening.post(failed, {})).toBe(400);
  const { code, stdout, stderr } = await listening.end();
  expect(stdout.split("\n")).toEqual([
    `signature good  ${TIME}  job.failed  ${JOB}  sequence=9  errorReason=DOCUMENT_CORRUPT  delivery=msg_1`,
    expect.stringMatching(/^REFUSED {2}SIGNATURE_MISMATCH: /),
    expect.stringMatching(/^REFUSED {2}HEADERS_INVALID: The header webhook-id /),
    "",
  ]);
  expect({ code, stderr }).toEqual({
    code: 130,
    stderr: expect.stringMatching(/^Events are taken at http.*\n$/),
  });
});

test("with --json each event is a JSON value", async () => {
  await using listening = await startListening("--json");
  expect(await listening.post(event("job.created", { id: JOB, sequence: 1 }))).toBe(204);
  expect(await listening.post("{}", {})).toBe(400);
  const lines = (await listening.end()).stdout.trim().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { verified: true, id: "msg_1", event: { type: "job.created", job: { id: JOB, sequence: 1 } } },
    { verified: false, reason: "HEADERS_INVALID" },
  ]);
});

test("senders that send too much, too slowly, no HTTP or strange values cannot end it, nor steer the terminal", async () => {
  await using listening = await startListening();
  const { port } = listening;
  expect(await listening.post("x".repeat(2_000_000)).catch(() => 413)).toBe(413);
  expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(405);
  const raw = (text: string) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    socket.resume().write(text);
    return socket;
  };
  const slow = raw("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nslow");
  const refused = [
    raw("\u0016\u0003\u0001 no HTTP\r\n\r\n"),
    raw(`POST / HTTP/1.1\r\nhost: x\r\nx: ${"y".repeat(40_000)}\r\n\r\n`),
    raw("POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"),
    raw("GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"),
    raw("CONNECT a:1 HTTP/1.1\r\nhost: x\r\n\r\n"),
  ];
  await Promise.all(refused.map((socket) => once(socket, "close")));
  slow.resetAndDestroy();
  for (const subject of [5, "x", null, [], { id: null, "a\u001b[2J": "b\u001b]0;x\u0007" }]) {
    expect(await listening.post(event("job.x", subject as never))).toBe(204);
  }
  const { code, stdout } = await listening.end();
  expect(code).toBe(130);
  expect(stdout.match(/^signature good/gm)).toHaveLength(5);
  expect(stdout).not.toContain("\u001b");
});

test("a secret that is none ends it before it listens", async () => {
  await using home = await createHome();
  for (const secret of ["whsec_c2hvcnQ=", SECRET.slice(6)]) {
    const { code, stderr } = await home.sluice(["webhooks", "listen", "--secret", secret]);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: "The secret must be the whole text that begins with whsec_.\n",
    });
  }
});
