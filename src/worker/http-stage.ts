import { createReadStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Egress, EgressResponse } from "../egress/egress.ts";
import { EgressDeniedError, EgressFailedError } from "../egress/errors.ts";
import { mayPass } from "../egress/passing.ts";
import type { ExtractLimits } from "../extract/extractor.ts";
import { retryAfterMs } from "../lib/retry-after.ts";
import { beginSignature, signatureOf, signingKey } from "../lib/standard-webhooks.ts";
import type { StagePool } from "../stages/host/pool.ts";
import type { TaskInput } from "../stages/host/protocol.ts";
import { type HttpOptions, MAX_HTTP_BYTES } from "../stages/http.ts";
import { StageFailure } from "../stages/stage.ts";

export interface HttpRun extends TaskInput {
  readonly options: HttpOptions;
  /** The name of the stage. */
  readonly stage: string;
  readonly secret: string | undefined;
  readonly jobId: string;
  /** The same for every run of this stage in this job. */
  readonly messageId: string;
  /** Of this attempt, inside the pool's. */
  readonly folder: string;
  readonly sourcePath: string;
  readonly outputPath: string;
  readonly limits: ExtractLimits;
  /** Of each of the two parts that document processes do. */
  readonly timeoutMs: number;
  readonly onPeak: (bytes: number) => void;
  readonly signal: AbortSignal;
}

/**
 * Runs http stages: a document process writes the request, this process sends it and stores the answer, piece by piece,
 * and a document process reads it.
 */
export function createHttpStage({
  egress,
  pool,
  now,
}: {
  egress: Egress;
  pool: StagePool;
  now: () => number;
}) {
  return async function runHttp(run: HttpRun): Promise<void> {
    const { folder, stage, jobId, sourcePath, ...rest } = run;
    const { inputPath, source, warnings = [], outputPath, limits, timeoutMs, onPeak, signal } = rest;
    const task = { inputPath, source, warnings, stage, timeoutMs, onPeak, signal };
    const bodyPath = join(folder, "request.json");
    const answerPath = join(folder, "answer.json");
    await pool.compose({ ...task, jobId, sourcePath, bodyPath });
    await exchange(run, bodyPath, answerPath);
    await pool.takeAnswer({ ...task, answerPath, outputPath, limits });
  };

  /** Sends the body and writes the answer to a file. @throws StageFailure */
  async function exchange(run: HttpRun, bodyPath: string, answerPath: string): Promise<void> {
    const { options, stage } = run;
    const timeout = AbortSignal.timeout(options.timeout);
    const signal = AbortSignal.any([run.signal, timeout]);
    try {
      const headers = await headersOf(run, bodyPath);
      const answer = await egress.call({
        url: options.url,
        method: "POST",
        headers,
        body: createReadStream(bodyPath),
        idleMs: options.timeout,
        signal,
      });
      if (answer.status < 200 || answer.status > 299) {
        answer.body.destroy();
        throw refusal(stage, answer, now());
      }
      await store(answer, answerPath, stage);
    } catch (error) {
      if (run.signal.aborted) throw run.signal.reason;
      if (timeout.aborted)
        throw unavailable(
          stage,
          `it was not done within ${options.timeout / 1_000} s. Make it faster, or give the stage a longer \`http.timeout\``,
        );
      if (error instanceof EgressDeniedError) throw new StageFailure(error.reason, error.message, false);
      if (error instanceof EgressFailedError) throw unavailable(stage, error.message);
      throw error;
    }
  }

  async function headersOf(
    { messageId, secret }: HttpRun,
    bodyPath: string,
  ): Promise<Record<string, string>> {
    const timestamp = Math.floor(now() / 1_000);
    const { size } = await stat(bodyPath);
    const headers = {
      "content-type": "application/json",
      accept: "application/json",
      "content-length": String(size),
      "user-agent": "sluice",
      "idempotency-key": messageId,
      "webhook-id": messageId,
      "webhook-timestamp": String(timestamp),
    };
    if (secret === undefined) return headers;
    const hmac = beginSignature(signingKey(secret), messageId, timestamp);
    for await (const piece of createReadStream(bodyPath)) hmac.update(piece as Buffer);
    return { ...headers, "webhook-signature": signatureOf(hmac) };
  }
}

async function store({ body, headers }: EgressResponse, path: string, stage: string): Promise<void> {
  const encoding = headers["content-encoding"];
  if (encoding !== undefined && encoding !== "identity") {
    body.destroy();
    throw unusable(stage, "it is compressed. Answer as `accept-encoding: identity` asks");
  }
  const file = await open(path, "w", 0o600);
  try {
    let size = 0;
    for await (const piece of body) {
      size += piece.byteLength;
      if (size > MAX_HTTP_BYTES) throw unusable(stage, "it is larger than 64 MiB. Answer less");
      await file.appendFile(piece);
    }
  } finally {
    await file.close();
  }
}

function refusal(stage: string, { status, headers }: EgressResponse, nowMs: number): StageFailure {
  const said = `it answered with status ${status}`;
  if (mayPass(status)) return unavailable(stage, said, retryAfterMs(headers["retry-after"], nowMs));
  if (status >= 300 && status < 400)
    return unusable(
      stage,
      `${said}, and redirects are not followed. Give the stage the address that it leads to`,
    );
  return unusable(stage, `${said}. Its log should tell why`);
}

function unavailable(stage: string, why: string, retryAfter?: number): StageFailure {
  const message = `The service of stage ${stage} did not do its part: ${why.replace(/\.$/, "")}.`;
  return new StageFailure("SERVICE_UNAVAILABLE", message, true, undefined, retryAfter);
}

function unusable(stage: string, why: string): StageFailure {
  return new StageFailure(
    "SERVICE_REFUSED",
    `The service of stage ${stage} did not do its part: ${why}.`,
    false,
  );
}
