import { randomUUID } from "node:crypto";
import { between, branch, pick, type Random } from "../../chaos/random.ts";
import { envelope, readEnvelopes } from "../../support/contract/post.ts";

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
  /** Left at its first message. */
  readonly isStream?: true;
  readonly isAnonymous?: true;
}

/** Jobs that a client has made, for calls about them. */
type Own = readonly string[];

/** Where anonymous calls are said to come from; floods are counted by address. */
export const STRANGER = "203.0.113.7";

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
  watch: (random, _, own) => ({
    method: "JobsService/WatchJob",
    body: { id: ownOr(random, own) },
    isStream: true,
  }),
  anonymous: () => ({ method: "JobsService/ListJobs", body: {}, isAnonymous: true }),
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
  { method, body, isStream, isAnonymous }: Call,
): Promise<{ code: string; jobId?: string | undefined }> {
  const json = JSON.stringify(body);
  try {
    const response = await fetch(`${urls[server]}/sluice.v1.${method}`, {
      method: "POST",
      headers: {
        "content-type": isStream ? "application/connect+json" : "application/json",
        ...(isAnonymous ? { "x-forwarded-for": STRANGER } : { authorization: `Bearer ${accessToken}` }),
        "x-request-id": id,
      },
      body: isStream ? new Uint8Array(envelope(0, Buffer.from(json))) : json,
      signal: AbortSignal.timeout(CALL_MS),
    });
    if (isStream) return { code: await firstOf(response) };
    const answer = (await response.json()) as { code?: string; job?: { id: string } };
    return { code: response.ok ? "ok" : (answer.code ?? "lost"), jobId: answer.job?.id };
  } catch {
    return { code: "lost" };
  }
}

/** What the first message of a stream says: `ok`, or the code with which the stream ends. */
async function firstOf({ body }: Response): Promise<string> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of body ?? []) {
    bytes = Buffer.concat([bytes, chunk]);
    const [frame] = readEnvelopes(bytes);
    if (!frame) continue;
    if (frame.flag === 0) return "ok";
    const { error } = JSON.parse(frame.data.toString()) as { error?: { code: string } };
    return error?.code ?? "lost";
  }
  return "lost";
}
