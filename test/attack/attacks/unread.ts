import http2 from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { WatchJobRequestSchema } from "../../../gen/sluice/v1/jobs_pb.ts";
import { envelope } from "../../support/contract/post.ts";
import type { Flood } from "../attack.ts";
import { bearer } from "../wire.ts";

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
