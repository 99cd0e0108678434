import { JobsService } from "../../../gen/sluice/v1/jobs_pb.ts";
import { SystemService } from "../../../gen/sluice/v1/system_pb.ts";
import type { Caller } from "../../../src/lib/caller.ts";
import { SluiceError } from "../../../src/lib/errors.ts";
import { callerOf } from "../../../src/rpc/context.ts";
import type { FinishedCall } from "../../../src/rpc/ledger.ts";
import { createRpcServer, type RpcServerOptions } from "../../../src/rpc/server.ts";
import { registerService } from "../../../src/rpc/service.ts";
import { createLogger } from "../../../src/telemetry/logger.ts";
import { createMetrics } from "../../../src/telemetry/metrics.ts";

export const JOB_ID = "0198c0de-0000-7000-8000-000000000000";
export const MIB = 1024 * 1024;

class NoCredential extends SluiceError {
  override name = "NoCredential";
  readonly kind = "unauthenticated";
  readonly reason = "UNAUTHENTICATED";
}

class JobNotFound extends SluiceError {
  override name = "JobNotFound";
  readonly kind = "not_found";
  readonly reason = "JOB_NOT_FOUND";
}

class Quota extends SluiceError {
  override name = "Quota";
  readonly kind = "resource_exhausted";
  readonly reason = "QUOTA_EXCEEDED";
}

/** What the handlers of the test server have seen. */
export interface Seen {
  /** Handlers that have begun and not ended. */
  running: number;
  /** Why the signals of handlers aborted while they ran. */
  readonly aborts: unknown[];
  /** Authentications. */
  authenticated: number;
  readonly finished: FinishedCall[];
  /** Messages that a stream has given out. */
  yielded: number;
  uploadedBytes: number;
}

const PERMISSIONS = ["system:read", "system:update", "jobs:create", "jobs:read", "documents:create"];

/**
 * A real edge on a free port. `Bearer good` holds most permissions, `Bearer poor` none. GetJob fails as its id
 * says; PauseQueue waits for its signal; WatchJob sends `text` of growing sequence until its signal.
 */
export async function startEdge(options: Partial<RpcServerOptions> & { expireTime?: Date } = {}) {
  const seen: Seen = {
    running: 0,
    aborts: [],
    authenticated: 0,
    finished: [],
    yielded: 0,
    uploadedBytes: 0,
  };
  const track = (signal: AbortSignal) => {
    seen.running++;
    signal.addEventListener("abort", () => seen.aborts.push(signal.reason), { once: true });
    return () => {
      seen.running--;
    };
  };
  const authenticate: RpcServerOptions["authenticate"] = async (headers, peer) => {
    seen.authenticated++;
    const credential = headers.get("authorization");
    if (credential !== "Bearer good" && credential !== "Bearer poor") {
      throw new NoCredential("Send a credential in the authorization header.");
    }
    const caller: Caller = {
      userId: "user-1",
      email: "u@example.org",
      credential: "jwt",
      credentialId: "session-1",
      permissions: new Set(credential === "Bearer good" ? PERMISSIONS : []),
      expireTime: options.expireTime ?? null,
      ...peer,
    };
    return caller;
  };
  const system = registerService(SystemService, {
    getServerInfo: (_request, context) => ({ info: { version: `for ${callerOf(context).userId}` } }),
    pauseQueue(_request, { signal }) {
      const done = track(signal);
      return new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          done();
          reject(signal.reason);
        });
      });
    },
    // Does not listen to its signal at all.
    resumeQueue: () => new Promise(() => {}),
  });
  const jobs = registerService(JobsService, {
    createJob: ({ labels, source }) => ({
      job: { id: JOB_ID, labels, document: { filename: source.case ?? "" } },
    }),
    getJob({ id }) {
      if (id.endsWith("1")) {
        const resource = { type: "job", name: id };
        throw new JobNotFound(`There is no job ${id}.`, { job_id: id }, { resource });
      }
      if (id.endsWith("2")) {
        const quota = { subject: "jobs", description: "at most 10" };
        throw new Quota("Ümläut and\nnew line.", {}, { quota, retryAfterMs: 1_500 });
      }
      if (id.endsWith("3")) throw new Error("password is hunter2 at /etc/secret");
      if (id.endsWith("4"))
        throw Object.assign(new Error("write CONNECTION_CLOSED 10.0.0.1:5432"), {
          code: "CONNECTION_CLOSED",
        });
      return { job: { id } };
    },
    async *watchJob({ afterSequence }, { signal }) {
      const done = track(signal);
      // Large enough that a reader who does not read makes the writer wait.
      const message = "x".repeat(64 * 1024);
      try {
        for (let sequence = afterSequence + 1; ; sequence++) {
          yield { event: { sequence, jobId: JOB_ID, event: { case: "log", value: { message } } } };
          seen.yielded++;
          if (afterSequence === 0) await aborted(signal);
        }
      } finally {
        done();
      }
    },
    async *watchJobs(_request, { signal }) {
      yield { event: { sequence: 1 } };
      await aborted(signal);
      // Returns quietly, as handlers must not: the edge has to notice.
    },
    async uploadDocument(requests) {
      for await (const { payload: part } of requests) {
        if (part.case === "chunk") seen.uploadedBytes += part.value.length;
      }
      return { document: { id: JOB_ID, sizeBytes: BigInt(seen.uploadedBytes) } };
    },
  });
  const server = createRpcServer({
    addr: { host: "127.0.0.1", port: 0 },
    services: [system, jobs],
    authenticate,
    version: "0.0.0-test",
    logger: createLogger("silent"),
    metrics: createMetrics(),
    onCallFinished: (call) => seen.finished.push(call),
    ...options,
  });
  const { url, port } = await server.start();
  return { server, seen, url, port, [Symbol.asyncDispose]: () => server.stop(0) };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Resolves when the condition holds; fails after `ms`. */
export async function until(condition: () => boolean, ms = 5_000): Promise<void> {
  const end = performance.now() + ms;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
