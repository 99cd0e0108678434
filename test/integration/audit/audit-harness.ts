import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, type DescMessage, type DescMethod, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { file_sluice_v1_audit } from "../../../gen/sluice/v1/audit_pb.ts";
import { file_sluice_v1_auth } from "../../../gen/sluice/v1/auth_pb.ts";
import { file_sluice_v1_jobs } from "../../../gen/sluice/v1/jobs_pb.ts";
import { file_sluice_v1_pipelines } from "../../../gen/sluice/v1/pipelines_pb.ts";
import { file_sluice_v1_system } from "../../../gen/sluice/v1/system_pb.ts";
import { file_sluice_v1_webhooks } from "../../../gen/sluice/v1/webhooks_pb.ts";
import { startServer } from "../../../src/app/server.ts";
import { loadConfig } from "../../../src/config.ts";
import type { Database } from "../../../src/db/sql.ts";
import { createLogger } from "../../../src/telemetry/logger.ts";
import { until } from "../../support/until.ts";
import { openTestDatabase } from "../auth/harness.ts";

export const ADMIN = { email: "admin@example.com", password: "correct horse battery" };

/** Every method of the contract. */
export const METHODS: readonly DescMethod[] = [
  file_sluice_v1_audit,
  file_sluice_v1_auth,
  file_sluice_v1_jobs,
  file_sluice_v1_pipelines,
  file_sluice_v1_system,
  file_sluice_v1_webhooks,
]
  .flatMap(({ services }) => services)
  .flatMap(({ methods }) => methods);

export interface Outcome {
  readonly requestId: string;
  /** `ok`, or the name of the code. */
  readonly code: string;
  // biome-ignore lint/suspicious/noExplicitAny: answers of all methods meet here.
  readonly answer: any;
  /** The sentence of a failure. */
  readonly error: string;
}

/** A client that can call every method of the contract. */
export function caller(baseUrl: string) {
  const transport = createConnectTransport({ baseUrl, httpVersion: "2" });
  let calls = 0;
  /** Calls, leaves a stream at its first message, and never throws. */
  return async (
    method: DescMethod,
    request: MessageInitShape<DescMessage> | readonly MessageInitShape<DescMessage>[],
    { credential = "" }: { credential?: string } = {},
  ): Promise<Outcome> => {
    const requestId = `${method.name}-${++calls}`;
    const headers = new Headers({ "x-request-id": requestId });
    if (credential) headers.set("authorization", `Bearer ${credential}`);
    try {
      return { requestId, code: "ok", answer: await send(transport, method, request, headers), error: "" };
    } catch (error) {
      const { code, message } = ConnectError.from(error);
      return { requestId, code: codeName(code), answer: null, error: message };
    }
  };
}

/** A whole server, without a worker, and a client that can call every method of the contract. */
export async function startInstallation(settings: Readonly<Record<string, string>> = {}) {
  const db = await openTestDatabase();
  const dataDir = await mkdtemp(join(tmpdir(), "sluice-audit-"));
  const config = loadConfig({
    SLUICE_DATA_DIR: dataDir,
    SLUICE_ADDR: "127.0.0.1:0",
    SLUICE_ADMIN_EMAIL: ADMIN.email,
    SLUICE_ADMIN_PASSWORD: ADMIN.password,
    SLUICE_LOG_LEVEL: "silent",
    ...settings,
  });
  const server = await startServer({
    config,
    logger: createLogger("silent"),
    migrate: false,
    database: Promise.resolve({ url: db.url, embedded: null }),
    worker: false,
  });
  const call = caller(server.url);
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= server.stop();
    return stopped;
  };
  return {
    stop,
    db: db as Database,
    dataDir,
    url: server.url,
    call,
    async login(): Promise<{ accessToken: string; refreshToken: string }> {
      const { answer } = await call(methodNamed("Login"), ADMIN as never);
      return answer;
    },
    /** The rows of a call, once there are `count` of them. */
    async rows(requestId: string, count = 1): Promise<Record<string, unknown>[]> {
      const read = async () => [
        ...(await db.sql<Record<string, unknown>[]>`
          select *, xmin::text as xmin from audit_logs where request_id = ${requestId} order by timestamp, id`),
      ];
      await until(async () => (await read()).length >= count, `${count} rows of ${requestId}`);
      return await read();
    },
    async [Symbol.asyncDispose]() {
      await stop();
      await db[Symbol.asyncDispose]();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

export type Installation = Awaited<ReturnType<typeof startInstallation>>;

export function methodNamed(name: string): DescMethod {
  const found = METHODS.find((method) => method.name === name);
  if (!found) throw new Error(`the contract has no method ${name}`);
  return found;
}

async function send(
  transport: Transport,
  method: DescMethod,
  request: MessageInitShape<DescMessage> | readonly MessageInitShape<DescMessage>[],
  headers: Headers,
): Promise<unknown> {
  const messages = [request]
    .flat()
    .map((init) => create(method.input, init as MessageInitShape<DescMessage>));
  const signal = AbortSignal.timeout(method.methodKind === "server_streaming" ? 1_000 : 20_000);
  if (method.methodKind === "unary") {
    const { message: answer } = await transport.unary(
      method as never,
      signal,
      undefined,
      headers,
      messages[0] as never,
    );
    return answer;
  }
  const leave = new AbortController();
  const input = (async function* () {
    yield* messages;
  })();
  const either = AbortSignal.any([signal, leave.signal]);
  const response = await transport.stream(method as never, either, undefined, headers, input);
  for await (const answer of response.message) {
    leave.abort();
    return answer;
  }
  return null;
}

function codeName(code: Code): string {
  return Code[code].replace(/(?<!^)[A-Z]/g, "_$&").toLowerCase();
}
