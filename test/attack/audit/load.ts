import { randomUUID } from "node:crypto";
import { between, branch, pick, type Random } from "../../chaos/random.ts";

/** A call as its client knows it. */
export interface Made {
  /** Sent as `x-request-id`, once. */
  readonly id: string;
  readonly kind: Kind;
  /** Which server it went to. */
  readonly server: number;
  /** Of the answer; `lost` if none came. */
  readonly code: string;
  /** When the answer came, or was given up. */
  readonly atMs: number;
}

interface Call {
  readonly method: string;
  readonly body: object;
}

/** Jobs that a client has made, for calls about them. */
type Own = readonly string[];

const NOBODYS = "0198c0de-0000-7000-8000-000000000000";
const ownOr = (random: Random, own: Own): string => (own.length > 0 ? pick(random, own) : NOBODYS);

/** What clients call: changes, reads, and what is refused. */
const KINDS = {
  create: (_, id) => ({
    method: "JobsService/CreateJob",
    body: { text: "audited", requestId: id, labels: { id } },
  }),
  cancel: (random, _, own) => ({ method: "JobsService/CancelJob", body: { id: ownOr(random, own) } }),
  key: (_, id) => ({ method: "AuthService/CreateApiKey", body: { name: id, permissions: ["jobs:read"] } }),
  get: (random, _, own) => ({ method: "JobsService/GetJob", body: { id: ownOr(random, own) } }),
  list: () => ({ method: "JobsService/ListJobs", body: { pageSize: 3 } }),
  info: () => ({ method: "SystemService/GetServerInfo", body: {} }),
  unknown: () => ({ method: "JobsService/GetJob", body: { id: NOBODYS } }),
  denied: () => ({ method: "SystemService/PauseQueue", body: {} }),
  invalid: () => ({ method: "JobsService/ListJobs", body: { pageSize: -1 } }),
} as const satisfies Record<string, (random: Random, id: string, own: Own) => Call>;

export type Kind = keyof typeof KINDS;

/** Those that change something when they go well. */
export const CHANGES: ReadonlySet<Kind> = new Set(["create", "cancel", "key"]);

const ALL = Object.keys(KINDS) as Kind[];
/** Longer than the database stands still, so that most calls hear what became of them. */
const CALL_MS = 75_000;

export interface LoadOptions {
  readonly urls: readonly string[];
  readonly accessToken: string;
  readonly seed: number;
  readonly calls: number;
  readonly clients: number;
  readonly onCall: (made: Made) => void;
  /** Told how many were answered, to act in between. */
  readonly onProgress: (done: number) => void;
}

/** All calls, by clients that each wait for one before the next. */
export async function makeCalls(options: LoadOptions): Promise<void> {
  let left = options.calls;
  let done = 0;
  const client = async (n: number): Promise<void> => {
    const random = branch(options.seed, "client", n);
    const own: string[] = [];
    while (left-- > 0) {
      const kind = pick(random, ALL);
      const id = `${kind}-${randomUUID()}`;
      const server = Math.floor(between(random, 0, options.urls.length));
      const { code, jobId } = await send(options, server, id, KINDS[kind](random, id, own));
      if (kind === "create" && jobId) own.push(jobId);
      options.onCall({ id, kind, server, code, atMs: Date.now() });
      options.onProgress(++done);
    }
  };
  await Promise.all(Array.from({ length: options.clients }, (_, n) => client(n)));
}

async function send(
  { urls, accessToken }: LoadOptions,
  server: number,
  id: string,
  { method, body }: Call,
): Promise<{ code: string; jobId?: string | undefined }> {
  try {
    const response = await fetch(`${urls[server]}/sluice.v1.${method}`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        authorization: `Bearer ${accessToken}`,
        "x-request-id": id,
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(CALL_MS),
    });
    const answer = (await response.json()) as { code?: string; job?: { id: string } };
    return { code: response.ok ? "ok" : (answer.code ?? "lost"), jobId: answer.job?.id };
  } catch {
    return { code: "lost" };
  }
}
