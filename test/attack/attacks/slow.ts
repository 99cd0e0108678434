import net from "node:net";
import type { Flood } from "../attack.ts";
import type { Target } from "../target.ts";
import { waits } from "../waits.ts";

const PATH = "/sluice.v1.JobsService/CreateJob";
const SLOW_CONNECTIONS = 100;
/** A server may let headers take 10 s, and look for them once a second. */
const HEADERS_MS = 13_000;
/** A server may let a body be silent for 30 s. */
const BODY_MS = 34_000;

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
