import http2 from "node:http2";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { WatchJobRequestSchema } from "../../../gen/sluice/v1/jobs_pb.ts";
import { envelope } from "../../support/contract/post.ts";
import type { Flood } from "../attack.ts";
import type { Target } from "../target.ts";
import { bearer, call } from "../wire.ts";
import { bomb } from "./bodies.ts";

const PATH = "/sluice.v1.JobsService/CreateJob";
const SLOW_CONNECTIONS = 100;
/** A server may let headers take 10 s, and look for them once a second. */
const HEADERS_MS = 13_000;
/** A server may let a body be silent for 30 s. */
const BODY_MS = 34_000;

const waits = (ms: number, signal: AbortSignal) => sleep(ms, undefined, { signal }).catch(() => {});

export const anonymousBombs: Flood = {
  name: "Oversize and bomb bodies, anonymous",
  async run(target, signal) {
    let [sent, refused] = [0, 0];
    const one = async (): Promise<void> => {
      while (!signal.aborted) {
        sent++;
        const { status } = await call(target, "JobsService/CreateJob", bomb, {
          "content-encoding": "gzip",
        }).catch(() => ({ status: 0 }));
        if (status === 401 || status === 429) refused++;
        await waits(20, signal);
      }
    };
    await Promise.all(Array.from({ length: 4 }, one));
    return [
      {
        what: `${sent} bombs of 300 MiB`,
        came: `${refused} refused before they were read`,
        held: refused >= sent * 0.95,
      },
    ];
  },
};

/** Connections to which a byte goes now and then; how many the server has ended. */
async function drip(target: Target, head: string, bytes: string, everyMs: number, signal: AbortSignal) {
  const opened = performance.now();
  const endedAfter: number[] = [];
  const sockets = Array.from({ length: SLOW_CONNECTIONS }, () => {
    const socket = net.connect(target.port, target.host, () => socket.write(head));
    socket.on("error", () => {});
    socket.on("close", () => endedAfter.push(performance.now() - opened));
    socket.on("end", () => socket.end());
    socket.resume();
    return socket;
  });
  while (!signal.aborted) {
    await waits(everyMs, signal);
    for (const socket of sockets) if (socket.writable) socket.write(bytes);
  }
  const lasted = performance.now() - opened;
  for (const socket of sockets) socket.destroy();
  return { ended: endedAfter.filter((ms) => ms < lasted - 100).length, lasted };
}

export const slowHeaders: Flood = {
  name: "Slow headers",
  async run(target, signal) {
    const { ended, lasted } = await drip(
      target,
      `POST ${PATH} HTTP/1.1\r\nhost: x\r\n`,
      "x-a: b\r\n",
      1_000,
      signal,
    );
    const isDue = lasted > HEADERS_MS;
    return [
      {
        what: `${SLOW_CONNECTIONS} connections whose headers never end`,
        came: `${ended} cut within ${(lasted / 1000).toFixed(0)} s${isDue ? "" : ", not due yet"}`,
        held: !isDue || ended === SLOW_CONNECTIONS,
      },
    ];
  },
};

export const slowBodies: Flood = {
  name: "Slow bodies",
  async run(target, signal) {
    const head = `POST ${PATH} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n`;
    const [anonymous, known] = await Promise.all([
      drip(target, `${head}\r\n{`, " ", 500, signal),
      drip(target, `${head}authorization: Bearer ${target.bob.accessToken}\r\n\r\n{`, " ", 500, signal),
    ]);
    const isDue = known.lasted > BODY_MS;
    return [
      {
        what: `${SLOW_CONNECTIONS} anonymous bodies, two bytes a second`,
        came: `${anonymous.ended} ended within ${(anonymous.lasted / 1000).toFixed(0)} s`,
        held: anonymous.lasted < HEADERS_MS || anonymous.ended === SLOW_CONNECTIONS,
      },
      {
        what: `${SLOW_CONNECTIONS} with a credential`,
        came: `${known.ended} ended within ${(known.lasted / 1000).toFixed(0)} s${isDue ? "" : ", not due yet"}`,
        held: !isDue || known.ended === SLOW_CONNECTIONS,
      },
    ];
  },
};

/** Streams that one session may open and reset before it must be ended. */
const MOST_RESETS = 200;

async function resetAll(target: Target, signal: AbortSignal): Promise<number> {
  const session = http2.connect(target.url);
  session.on("error", () => {});
  await new Promise((resolve) => session.once("connect", resolve).once("close", resolve));
  let resets = 0;
  while (!session.closed && !session.destroyed && !signal.aborted && resets < MOST_RESETS * 2) {
    for (let i = 0; i < 20 && !session.closed && !session.destroyed; i++) {
      const stream = session.request({
        ":method": "POST",
        ":path": PATH,
        "content-type": "application/json",
      });
      stream.on("error", () => {});
      stream.close(http2.constants.NGHTTP2_CANCEL);
      resets++;
    }
    // The server has seen them all when it answers.
    if (!session.closed && !session.destroyed)
      await new Promise((resolve) => session.ping(resolve) || resolve(null));
  }
  session.destroy();
  return resets;
}

export const rapidReset: Flood = {
  name: "Rapid reset",
  async run(target, signal) {
    const counts: number[] = [];
    while (!signal.aborted) {
      counts.push(await resetAll(target, signal));
      await waits(100, signal);
    }
    const most = Math.max(...counts);
    return [
      {
        what: `${counts.length} sessions that only open and reset`,
        came: `ended after ${most} resets at most`,
        held: counts.length > 0 && most <= MOST_RESETS,
      },
    ];
  },
};

export const unreadStreams: Flood = {
  name: "Unread streams (bounded buffer)",
  async run(target, signal) {
    const source = { case: "text", value: "watched" } as const;
    const { job } = await target.bob.client.jobs.createJob({ source });
    const request = envelope(
      0,
      toBinary(WatchJobRequestSchema, create(WatchJobRequestSchema, { id: job?.id ?? "" })),
    );
    const sessions = Array.from({ length: 10 }, () =>
      http2.connect(target.url, { settings: { initialWindowSize: 0 } }),
    );
    let opened = 0;
    for (const session of sessions) {
      session.on("error", () => {});
      for (let i = 0; i < 20; i++) {
        const stream = session.request({
          ":method": "POST",
          ":path": "/sluice.v1.JobsService/WatchJob",
          "content-type": "application/grpc",
          ...bearer(target.bob.accessToken),
        });
        stream.on("error", () => {});
        stream.on("response", () => opened++);
        stream.pause();
        stream.end(request);
      }
    }
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    for (const session of sessions) session.destroy();
    return [{ what: "200 watch streams that nobody reads", came: `${opened} answered`, held: opened > 0 }];
  },
};

export const loginFlood: Flood = {
  name: "Login: brute force, all at once",
  async run(target, signal) {
    const reasons = new Map<string, number>();
    const one = async (_: unknown, n: number): Promise<void> => {
      for (let i = 0; !signal.aborted; i++) {
        const login = { email: `flood-${n}-${i % 50}@example.org`, password: `guess ${i}` };
        const { reason } = await call(target, "AuthService/Login", login).catch(() => ({
          reason: "no answer",
        }));
        reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
        await waits(5, signal);
      }
    };
    await Promise.all(Array.from({ length: 8 }, one));
    const known = ["LOGIN_FAILED", "LOGIN_THROTTLED", "RATE_LIMITED", "PASSWORDS_BUSY"];
    const tried = [...reasons].reduce((sum, [, count]) => sum + count, 0);
    const failed = reasons.get("LOGIN_FAILED") ?? 0;
    return [
      {
        what: `${tried} guesses from one address`,
        came: [...reasons].map(([reason, count]) => `${reason} ${count}`).join(", "),
        // Sixty are free, and one more every two seconds.
        held: failed <= 100 && [...reasons.keys()].every((reason) => known.includes(reason)),
      },
    ];
  },
};

export const garbage: Flood = {
  name: "Credentials of nobody, all at once",
  async run(target, signal) {
    let [sent, refused] = [0, 0];
    const one = async (): Promise<void> => {
      while (!signal.aborted) {
        sent++;
        const { status } = await call(target, "JobsService/ListJobs", {}, bearer(`x${Math.random()}`)).catch(
          () => ({ status: 0 }),
        );
        if (status === 401 || status === 429) refused++;
      }
    };
    await Promise.all(Array.from({ length: 4 }, one));
    return [{ what: `${sent} calls with garbage`, came: `${refused} refused`, held: refused === sent }];
  },
};
