import { gzipSync } from "node:zlib";
import type { Attack } from "../attack.ts";
import { bearer, call, refused, type Seen } from "../wire.ts";

const MIB = 1024 * 1024;
/** 300 MiB in a third of one. */
export const bomb = gzipSync(Buffer.alloc(300 * MIB, " "));
const gzip = { "content-encoding": "gzip" };

export const bodies: Attack = {
  name: "Oversize and bomb bodies, anonymous",
  async run(target) {
    const post = (body: Uint8Array | string, headers: Record<string, string> = {}): Promise<Seen> =>
      call(target, "JobsService/CreateJob", body, headers);
    const credential = bearer(target.bob.accessToken);
    const large = Buffer.alloc(64 * MIB, "x");
    const deep = `{"text":"x","parameters":${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}}`;
    const cut = bomb.subarray(0, bomb.length / 2);
    const framed = Buffer.concat([Buffer.from([1, 0, 0, 0, 0]), bomb]);
    framed.writeUInt32BE(bomb.length, 1);
    const grpc = async (headers: Record<string, string>): Promise<Seen> => {
      const response = await fetch(`${target.url}/sluice.v1.JobsService/CreateJob`, {
        method: "POST",
        headers: { "content-type": "application/grpc-web+proto", "grpc-encoding": "gzip", ...headers },
        body: framed,
      });
      const text = `${await response.text()} ${response.headers.get("grpc-status")}`;
      const status = /grpc-status: ?(\d+)/.exec(text)?.[1] ?? response.headers.get("grpc-status") ?? "";
      const code =
        status === "16" ? "unauthenticated" : status === "8" ? "resource_exhausted" : `grpc ${status}`;
      return { status: response.status, code, reason: "", text, headers: response.headers };
    };
    return await Promise.all([
      refused("a gzip bomb of 300 MiB, anonymous", post(bomb, gzip), "unauthenticated"),
      refused("the same over gRPC-Web", grpc({}), "unauthenticated"),
      refused("64 MiB, anonymous", post(large), "unauthenticated"),
      refused("a gzip bomb with a credential", post(bomb, { ...gzip, ...credential }), "resource_exhausted"),
      refused("the same over gRPC-Web", grpc(credential), "resource_exhausted"),
      refused("64 MiB with a credential", post(large, credential), "resource_exhausted"),
      refused("half a gzip", post(cut, { ...gzip, ...credential }), "invalid_argument", "resource_exhausted"),
      refused(
        "a compression that nobody knows",
        post("{}", { "content-encoding": "zip", ...credential }),
        "unimplemented",
      ),
      refused("JSON 50,000 levels deep", post(deep, credential), "invalid_argument"),
      refused("no JSON", post("{", credential), "invalid_argument"),
      refused("JSON for another kind of message", post('{"id":"x"}', credential), "invalid_argument"),
      refused(
        "a batch of 1001",
        call(
          target,
          "JobsService/BatchCreateJobs",
          { requests: Array(1001).fill({ text: "x" }) },
          credential,
        ),
        "invalid_argument",
      ),
    ]);
  },
};
