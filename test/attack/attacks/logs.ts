import net from "node:net";
import { type Attack, ownOf } from "../attack.ts";
import { bearer, call } from "../wire.ts";

const MARK = "logged-by-attack";
const HOSTILE = `${MARK}\r\n{"level":"error","msg":"forged by ${MARK}"}\r\n\u001b[31mred\u001b]0;title\u0007\u2028`;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const RAW = /[\u0000-\u0009\u000b-\u001f\u007f\u2028\u2029]/;

/** A request whose bytes no client library would send. */
function raw(host: string, port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = net.connect(port, host, () => socket.end(Buffer.from(text, "latin1")));
    let answer = "";
    socket.setTimeout(5_000, () => socket.destroy());
    socket.on("data", (chunk) => (answer += chunk.toString("latin1")));
    socket.on("error", () => {});
    socket.on("close", () => resolve(answer));
  });
}

export const logInjection: Attack = {
  name: "CR LF and ANSI in everything that is logged",
  async run(target) {
    const { server, sql } = ownOf(target);
    const before = server.stderr.length;
    const { accessToken, client } = target.bob;
    const source = { case: "text", value: "x" } as const;
    const made = await client.jobs.createJob({ source, filename: HOSTILE, labels: { [MARK]: HOSTILE } });
    await call(target, "JobsService/CancelJob", { id: made.job?.id, reason: HOSTILE }, bearer(accessToken));
    await call(target, "AuthService/Login", { email: HOSTILE, password: HOSTILE });
    await call(target, "JobsService/GetJob", { id: HOSTILE }, bearer(accessToken));
    await call(target, "PipelinesService/GetPipeline", { name: HOSTILE.slice(0, 60) }, bearer(accessToken));
    const line =
      "POST /sluice.v1.JobsService/GetJob HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n";
    const answers = await Promise.all([
      raw(target.host, target.port, `${line}user-agent: \u001b[31m${MARK}\r\n\r\n`),
      raw(target.host, target.port, `${line}x-request-id: a\u001b[2J${MARK}\r\n\r\n`),
      raw(
        target.host,
        target.port,
        `GET /${MARK}\u001b[31m HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
      ),
      raw(
        target.host,
        target.port,
        `GET /%0d%0aset-cookie:%20${MARK} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
      ),
    ]);
    const written = server.stderr.slice(Math.min(before, server.stderr.length));
    const lines = written.split("\n").filter(Boolean);
    const forged = lines.filter((each) => each.startsWith('{"level":"error","msg":"forged'));
    const rows = await sql<{ text: string }[]>`
      select concat_ws(' ', action, resource_id, error_message, user_agent, request_id) as text from audit_logs`;
    const stained = rows.filter(({ text }) => RAW.test(text));
    return [
      {
        what: `${lines.length} lines of the log`,
        came: `${forged.length} forged, ${lines.filter((each) => RAW.test(each)).length} with control characters`,
        held: lines.length > 0 && forged.length === 0 && !lines.some((each) => RAW.test(each)),
      },
      {
        what: `${rows.length} rows of the record`,
        came: `${stained.length} with control characters`,
        held: stained.length === 0,
      },
      {
        what: "headers of answers",
        came: answers.some((each) => /^set-cookie:/im.test(each)) ? "split" : "whole",
        held: !answers.some((each) => /^set-cookie:/im.test(each)),
      },
    ];
  },
};
