import { createHash } from "node:crypto";
import { createServer as createHttp1 } from "node:http";
import { createServer as createHttp2, type Http2ServerResponse } from "node:http2";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  Code,
  ConnectError,
  createContextKey,
  createContextValues,
  type HandlerContext,
} from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../../../gen/google/rpc/error_details_pb.ts";
import { AuthService } from "../../../gen/sluice/v1/auth_pb.ts";
import {
  type CreateJobRequest,
  type Job,
  JobEventSchema,
  JobSchema,
  JobStatus,
  JobsService,
  ResultFormat,
  StageStatus,
} from "../../../gen/sluice/v1/jobs_pb.ts";
import { PipelineSchema, PipelinesService } from "../../../gen/sluice/v1/pipelines_pb.ts";
import { SystemService } from "../../../gen/sluice/v1/system_pb.ts";

/** What a test can turn on the server while it runs. */
export interface Knobs {
  /** Kills the connection after each event of WatchJob, and after each chunk of a download. */
  cutAfterEach: boolean;
  /** Ends WatchJob cleanly after each event, as a proxy might. */
  endAfterEach: boolean;
  /** Sends nothing after the first event of a connection. */
  silent: boolean;
  keepAlives: boolean;
  /** Failures that calls throw before they do anything, first one first. */
  failures: ConnectError[];
  /** Waits between two events of a job. */
  eventDelayMs: number;
  /** Jobs stop after their second event and never end. */
  hang: boolean;
  /** Only this credential is let in; empty = every one. */
  credential: string;
  tokenLifeMs: number;
}

const remotePort = createContextKey(0);
const STAGES = ["fetch", "detect", "extract", "chunk"];

/** An error as the real server makes them. */
export function failure(
  code: Code,
  reason: string,
  message: string,
  extras: { retryAfterMs?: number; fields?: { field: string; description: string }[] } = {},
): ConnectError {
  const error = new ConnectError(message, code, undefined, [
    { desc: ErrorInfoSchema, value: { reason, domain: "sluice", metadata: { test: "1" } } },
  ]);
  if (extras.retryAfterMs !== undefined) {
    const retryDelay = durationFromMs(extras.retryAfterMs);
    error.details.push({ desc: RetryInfoSchema, value: { retryDelay } });
  }
  if (extras.fields)
    error.details.push({ desc: BadRequestSchema, value: { fieldViolations: extras.fields } });
  return error;
}

/**
 * A Sluice of this test's own on a real socket: jobs run through four stages, fail when their text holds FAIL,
 * and have their document's bytes as result.
 */
export async function startServer(initial: Partial<Knobs> = {}) {
  const knobs: Knobs = {
    cutAfterEach: false,
    endAfterEach: false,
    silent: false,
    keepAlives: false,
    failures: [],
    eventDelayMs: 0,
    hang: false,
    credential: "",
    tokenLifeMs: 600_000,
    ...initial,
  };
  const calls: string[] = [];
  const jobs = new Map<string, { job: Job; bytes: Buffer; request: CreateJobRequest }>();
  const byRequestId = new Map<string, string>();
  const documents = new Map<string, { bytes: Buffer; filename: string; sizeBytes: number }>();
  const seen = { aborted: 0, uploadedBytes: 0, tokens: 0, authorizations: [] as string[] };
  const sockets = new Set<Socket>();
  let token = "";

  const id = () => `0198c000-0000-7000-8000-${String(jobs.size + documents.size + 1).padStart(12, "0")}`;
  const enter = (name: string, ctx: HandlerContext) => {
    calls.push(name);
    const authorization = ctx.requestHeader.get("authorization") ?? "";
    seen.authorizations.push(authorization);
    const next = knobs.failures.shift();
    if (next) throw next;
    const wanted = knobs.credential || token;
    if (wanted && authorization !== `Bearer ${wanted}`) {
      throw failure(Code.Unauthenticated, "CREDENTIAL_INVALID", "The credential is not valid.");
    }
  };
  const find = (key: string) => {
    const found = jobs.get(key);
    if (!found) throw failure(Code.NotFound, "JOB_NOT_FOUND", `There is no job ${key}.`);
    return found;
  };
  const fails = (bytes: Buffer) => bytes.subarray(0, 1000).includes("FAIL");

  /** The whole history of a job, from the first event. */
  function history(job: Job, bytes: Buffer) {
    const at = (n: number) => timestampFromMs(1_790_000_000_000 + n);
    const { PROCESSING, CREATED, COMPLETED, FAILED } = JobStatus;
    const end = fails(bytes) ? FAILED : COMPLETED;
    const error =
      end === FAILED
        ? { reason: "DOCUMENT_CORRUPT", message: "The document\u001b[31m cannot be read." }
        : undefined;
    const bodies = [
      { case: "statusChanged" as const, value: { status: PROCESSING, previousStatus: CREATED, attempt: 1 } },
      ...STAGES.flatMap((name, index) => [
        {
          case: "stageStarted" as const,
          value: { name, type: name, index, stagesTotal: STAGES.length, attempt: 1 },
        },
        {
          case: "stageProgress" as const,
          value: {
            name,
            percent: 50,
            jobPercent: ((index + 0.5) / STAGES.length) * 100,
            message: "page 1 of 2",
          },
        },
        { case: "stageFinished" as const, value: { name, type: name, index, status: StageStatus.COMPLETED } },
      ]),
      {
        case: "statusChanged" as const,
        value: { status: end, previousStatus: PROCESSING, ...(error && { error }) },
      },
    ];
    return bodies.map((event, i) =>
      create(JobEventSchema, { sequence: i + 1, jobId: job.id, time: at(i), event }),
    );
  }

  const cut = (ctx: HandlerContext) => {
    const port = ctx.values.get(remotePort);
    for (const socket of sockets) if (socket.remotePort === port) socket.destroy();
  };

  const adapter = connectNodeAdapter({
    readMaxBytes: 4 * 1024 * 1024,
    contextValues: (req) => createContextValues().set(remotePort, req.socket.remotePort ?? 0),
    routes(router) {
      router.service(AuthService, {
        async login({ email, password }) {
          calls.push("login");
          if (password !== "right")
            throw failure(Code.Unauthenticated, "LOGIN_FAILED", "E-mail or password is wrong.");
          token = `token-${++seen.tokens}`;
          const expireTime = timestampFromMs(Date.now() + knobs.tokenLifeMs);
          return { accessToken: token, refreshToken: `refresh-${seen.tokens}`, expireTime, user: { email } };
        },
        async refresh({ refreshToken }) {
          calls.push("refresh");
          if (refreshToken !== `refresh-${seen.tokens}`) {
            throw failure(Code.Unauthenticated, "REFRESH_TOKEN_INVALID", "Log in again.");
          }
          token = `token-${++seen.tokens}`;
          const expireTime = timestampFromMs(Date.now() + knobs.tokenLifeMs);
          return { accessToken: token, refreshToken: `refresh-${seen.tokens}`, expireTime };
        },
        async getCaller(_, ctx) {
          enter("getCaller", ctx);
          return { user: { email: "a@example.com" }, permissions: ["jobs:create", "jobs:read"] };
        },
        async createApiKey(request, ctx) {
          enter("createApiKey", ctx);
          knobs.credential = "slk_made";
          return {
            apiKey: { id: "made", name: request.name, permissions: request.permissions },
            secret: "slk_made",
          };
        },
      });
      router.service(SystemService, {
        async getServerInfo(_, ctx) {
          enter("getServerInfo", ctx);
          return { info: { version: "9.9.9", features: ["redis"] } };
        },
        async getQueueStats(_, ctx) {
          enter("getQueueStats", ctx);
          return { stats: { backend: "postgres", workers: 1, priorities: [{ priority: 1, waiting: 3n }] } };
        },
        async listWorkers(_, ctx) {
          enter("listWorkers", ctx);
          return { workers: [{ id: "w1", host: "box", version: "9.9.9", isAlive: true, concurrency: 2 }] };
        },
      });
      router.service(PipelinesService, {
        async listPipelines(_, ctx) {
          enter("listPipelines", ctx);
          return { pipelines: [create(PipelineSchema, { name: "default", version: 1, isActive: true })] };
        },
      });
      router.service(JobsService, {
        async createJob(request, ctx) {
          enter("createJob", ctx);
          const known = byRequestId.get(request.requestId);
          if (known) return { job: find(known).job };
          if (request.pipelineName === "none") {
            throw failure(Code.NotFound, "PIPELINE_NOT_FOUND", "There is no pipeline none.");
          }
          const { source } = request;
          const stored = source.case === "documentId" ? documents.get(source.value) : undefined;
          const bytes =
            stored?.bytes ??
            Buffer.from(source.case === "inline" ? source.value.data : ((source.value ?? "") as string));
          const filename =
            stored?.filename ?? (source.case === "inline" ? source.value.filename : request.filename);
          const job = create(JobSchema, {
            id: id(),
            status: JobStatus.CREATED,
            pipelineName: request.pipelineName || "default",
            document: { filename, sizeBytes: BigInt(bytes.length) },
            labels: request.labels,
            priority: request.priority,
            createTime: timestampFromMs(1_790_000_000_000),
            requestId: request.requestId,
          });
          jobs.set(job.id, { job, bytes, request });
          byRequestId.set(request.requestId, job.id);
          return { job };
        },
        async getJob({ id: key }, ctx) {
          enter("getJob", ctx);
          return { job: find(key).job };
        },
        async listJobs({ pageToken }, ctx) {
          enter("listJobs", ctx);
          const all = [...jobs.values()].map(({ job }) => job).reverse();
          const from = Number(pageToken || 0);
          const nextPageToken = from + 2 < all.length ? String(from + 2) : "";
          return { jobs: all.slice(from, from + 2), nextPageToken };
        },
        async cancelJob({ id: key }, ctx) {
          enter("cancelJob", ctx);
          const { job } = find(key);
          job.status = JobStatus.CANCELLED;
          return { job };
        },
        async *watchJob({ id: key, afterSequence }, ctx) {
          enter(`watchJob ${afterSequence}`, ctx);
          const { job, bytes } = find(key);
          ctx.signal.addEventListener("abort", () => seen.aborted++, { once: true });
          const events = history(job, bytes);
          for (const event of events.slice(afterSequence)) {
            if (knobs.eventDelayMs) await new Promise((done) => setTimeout(done, knobs.eventDelayMs));
            if (knobs.keepAlives) yield {};
            if (event.sequence === events.length) {
              job.status = fails(bytes) ? JobStatus.FAILED : JobStatus.COMPLETED;
              const { value } = event.event;
              if (value?.$typeName === "sluice.v1.JobEvent.StatusChanged" && value.error)
                job.error = value.error;
            }
            yield { event };
            if (knobs.silent || (knobs.hang && event.sequence >= 2)) await aborted(ctx.signal);
            if (knobs.cutAfterEach) {
              // The event is written before the cut; what was not flushed comes again.
              await new Promise((done) => setImmediate(done));
              cut(ctx);
              await aborted(ctx.signal);
            }
            if (knobs.endAfterEach) return;
          }
        },
        async getJobResult({ id: key }, ctx) {
          enter("getJobResult", ctx);
          const { job, bytes } = find(key);
          if (job.status !== JobStatus.COMPLETED) {
            throw failure(Code.NotFound, "RESULT_NOT_READY", "The job has no result yet.");
          }
          const large = bytes.length > 1024 * 1024;
          return {
            result: {
              jobId: key,
              extractedText: large ? "" : bytes.toString(),
              outputUri: large ? "file:///results/x" : "",
              sizeBytes: BigInt(bytes.length),
            },
          };
        },
        async *downloadJobResult({ id: key, offset, format }, ctx) {
          enter(`downloadJobResult ${offset}`, ctx);
          const { bytes } = find(key);
          const whole = format === ResultFormat.MARKDOWN ? Buffer.concat([Buffer.from("# "), bytes]) : bytes;
          const sha256 = createHash("sha256").update(whole).digest("hex");
          yield {
            offset,
            payload: { case: "metadata", value: { sizeBytes: BigInt(whole.length), sha256, format } },
          };
          const step = Math.max(1, Math.ceil(whole.length / 7));
          for (let at = Number(offset); at < whole.length; at += step) {
            yield { offset: BigInt(at), payload: { case: "chunk", value: whole.subarray(at, at + step) } };
            if (knobs.cutAfterEach) {
              await new Promise((done) => setImmediate(done));
              cut(ctx);
              await aborted(ctx.signal);
            }
          }
        },
        async uploadDocument(messages, ctx) {
          enter("uploadDocument", ctx);
          let filename = "";
          const hash = createHash("sha256");
          const kept: Uint8Array[] = [];
          let size = 0;
          for await (const { payload } of messages) {
            if (payload.case === "header") filename = payload.value.filename;
            if (payload.case !== "chunk") continue;
            hash.update(payload.value);
            size += payload.value.byteLength;
            seen.uploadedBytes = size;
            if (size <= 8 * 1024 * 1024) kept.push(payload.value);
          }
          const key = id();
          documents.set(key, { bytes: Buffer.concat(kept), filename, sizeBytes: size });
          return { document: { id: key, filename, sizeBytes: BigInt(size), sha256: hash.digest("hex") } };
        },
        async createUpload({ filename }, ctx) {
          enter("createUpload", ctx);
          const key = id();
          documents.set(key, { bytes: Buffer.alloc(0), filename, sizeBytes: 0 });
          return { documentId: key, uploadUrl: `${url}/files/${key}`, headers: { "x-signed": "yes" } };
        },
        async getDocument({ id: key }, ctx) {
          enter("getDocument", ctx);
          const found = documents.get(key);
          return {
            document: {
              id: key,
              filename: found?.filename ?? "",
              sizeBytes: BigInt(found?.bytes.length ?? 0),
            },
          };
        },
      });
    },
    fallback(req, res) {
      const key = /^\/files\/(.+)$/.exec(req.url ?? "")?.[1];
      const target = key ? documents.get(key) : undefined;
      if (req.method !== "PUT" || !target || req.headers["x-signed"] !== "yes") {
        res.statusCode = 404;
        (res as Http2ServerResponse).end("no such file");
        return;
      }
      const parts: Buffer[] = [];
      req.on("data", (part: Buffer) => parts.push(part));
      req.on("end", () => {
        target.bytes = Buffer.concat(parts);
        calls.push("PUT");
        (res as Http2ServerResponse).end();
      });
    },
  });

  const handler: typeof adapter = (req, res) => {
    res.once("close", () => res.emit("drain"));
    adapter(req, res);
  };
  const h1 = createHttp1(handler);
  const h2 = createHttp2(handler);
  const front = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    socket.once("data", (first: Buffer) => {
      socket.pause();
      socket.unshift(first);
      const isH2 = first.toString("latin1", 0, 3) === "PRI";
      (isH2 ? h2 : h1).emit("connection", socket);
      if (!isH2) socket.resume();
    });
  });
  await new Promise<void>((done) => front.listen(0, "127.0.0.1", done));
  const url = `http://127.0.0.1:${(front.address() as AddressInfo).port}`;

  return {
    url,
    knobs,
    calls,
    jobs,
    documents,
    seen,
    sockets,
    /** The events that an uncut WatchJob of this job has. */
    history: (key: string) => history(find(key).job, find(key).bytes),
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => front.close(done));
    },
    async [Symbol.asyncDispose]() {
      await this.close();
    },
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) return done();
    signal.addEventListener("abort", () => done(), { once: true });
  });
}
