import { SluiceError } from "../lib/errors.ts";

/** A part that the service needs. `check` resolves if it works; `signal` aborts when nobody waits any more. Only the sentences of HealthError and SluiceError go out. */
export interface HealthCheck {
  readonly name: string;
  /** Without it the process cannot do its work: it is not ready. */
  readonly critical: boolean;
  check(signal: AbortSignal): Promise<void>;
}

export interface CheckReport {
  readonly status: "ok" | "failed";
  readonly latency_ms: number;
  readonly error?: string;
}

export interface HealthReport {
  /** `ok`, `degraded` if only parts that are not critical fail, or `failed`. */
  readonly status: "ok" | "degraded" | "failed";
  readonly checks: Readonly<Record<string, CheckReport>>;
}

/** Why a part does not work, in a sentence that anybody may read: no addresses, no names. */
export class HealthError extends Error {
  override name = "HealthError";
}

const DEADLINE_MS = 2_000;

/** Runs all checks at once, each for 2 s at most. Never throws. */
export async function runHealthChecks(checks: readonly HealthCheck[]): Promise<HealthReport> {
  const reports = await Promise.all(checks.map((check) => run(check)));
  const failed = checks.filter((_, i) => reports[i]?.status === "failed");
  const status = failed.some(({ critical }) => critical) ? "failed" : failed.length > 0 ? "degraded" : "ok";
  return {
    status,
    checks: Object.fromEntries(checks.map(({ name }, i) => [name, reports[i] as CheckReport])),
  };
}

async function run({ name, check }: HealthCheck): Promise<CheckReport> {
  const start = performance.now();
  const latency = () => Math.round((performance.now() - start) * 10) / 10;
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Late()), DEADLINE_MS);
  });
  try {
    await Promise.race([check(controller.signal), late]);
    return { status: "ok", latency_ms: latency() };
  } catch (error) {
    return { status: "failed", latency_ms: latency(), error: inPlainWords(name, error) };
  } finally {
    clearTimeout(timer);
    controller.abort();
  }
}

class Late extends Error {}

/** Only our own sentences go out; those of drivers hold addresses and user names. */
function inPlainWords(name: string, error: unknown): string {
  if (error instanceof Late) return `no answer within ${DEADLINE_MS} ms`;
  return error instanceof HealthError || error instanceof SluiceError
    ? error.message
    : `${name} does not answer`;
}
