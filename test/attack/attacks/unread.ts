import http2 from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { WatchJobRequestSchema } from "../../../gen/sluice/v1/jobs_pb.ts";
import { envelope } from "../../support/contract/post.ts";
import type { Flood } from "../attack.ts";
import { waits } from "../waits.ts";
import { bearer } from "../wire.ts";

/** So long the first answer may take: a busy machine may not come to it before the end of the floods. */
const ANSWER_MS = 30_000;
/** Longer than the floods go on. */
const LONG_MS = 3_600_000;

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
    let answer = (): void => {};
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
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
        stream.on("response", () => {
          opened++;
          answer();
        });
        stream.pause();
        stream.end(request);
      }
    }
    await waits(LONG_MS, signal);
    await Promise.race([answered, sleep(ANSWER_MS, undefined, { ref: false })]);
    for (const session of sessions) session.destroy();
    return [{ what: "200 watch streams that nobody reads", came: `${opened} answered`, held: opened > 0 }];
  },
};
