import { type StageEvidence, StageFailure } from "../stage.ts";
import type { DocumentProcess } from "./document-process.ts";
import { fromWire, outOfMemory } from "./faults.ts";
import { residentBytes } from "./process-memory.ts";
import { clip, type FromChild, MAX_LOG_LINES, type Task } from "./protocol.ts";

const LOOK_INTERVAL_MS = 50;
/** A gap between two looks above this is the worker's own stall, not the child's silence. */
const STALL_MS = 1_000;
/**
 * Signals that no document can bring about: not ours, they come from the kernel short of memory, an operator or a
 * terminal. Any other end was the document's doing and would come again.
 */
const FROM_OUTSIDE: ReadonlySet<string> = new Set(["SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"]);

/** The bounds of one task and whom to tell. */
export interface Watch {
  maxRssBytes: number;
  idleProgressTimeoutMs: number;
  timeoutMs: number;
  onProgress(share: number, message?: string): void;
  onLog(level: "info" | "warn", message: string): void;
  /** Told whenever the child has more resident memory than before in this task. */
  onPeak(bytes: number): void;
  signal: AbortSignal;
}

export interface Performed<Answer> {
  answer: Answer;
  durationMs: number;
  peakRssBytes: number;
}

let nextId = 1;

/**
 * Gives a task to an idle child and watches it: memory and both clocks every 50 ms. When the task ends by
 * anything but an answer, the child has been killed and is gone before this rejects.
 */
export function runTask<Answer>(
  child: DocumentProcess,
  task: Task,
  name: string,
  watch: Watch,
): Promise<Performed<Answer>> {
  return new Promise((settle, fail) => {
    const id = nextId++;
    const startedAt = performance.now();
    let lastSign = startedAt;
    let lastLook = startedAt;
    let lastShare = 0;
    let peakRssBytes = 0;
    let logLines = 0;
    let ended = false;

    const evidence = (exitCode: number | null, signal: string | null): StageEvidence => ({
      exitCode,
      signal,
      peakRssBytes,
      durationMs: performance.now() - startedAt,
      lastShare,
      stderrTail: child.stderrTail(),
    });
    const end = () => {
      ended = true;
      clearInterval(timer);
      watch.signal.removeEventListener("abort", onAbort);
      child.onMessage = () => {};
      child.onExit = () => {};
    };
    const killAndFail = (error: unknown) => {
      if (ended) return;
      end();
      void child.kill().then(() => fail(error));
    };
    const onAbort = () => killAndFail(watch.signal.reason);
    const measure = (rssBytes: number) => {
      // What the child says of itself may be anything.
      if (!Number.isSafeInteger(rssBytes) || rssBytes <= peakRssBytes) return;
      peakRssBytes = rssBytes;
      watch.onPeak(rssBytes);
    };

    const look = () => {
      const now = performance.now();
      if (now - lastLook > STALL_MS) lastSign += now - lastLook;
      lastLook = now;
      measure(residentBytes(child.pid) ?? 0);
      if (peakRssBytes > watch.maxRssBytes) killAndFail(outOfMemory(name, evidence(null, "SIGKILL")));
      else if (now - startedAt > watch.timeoutMs)
        killAndFail(stageTimeout(name, watch, evidence(null, "SIGKILL")));
      else if (now - lastSign > watch.idleProgressTimeoutMs)
        killAndFail(parserTimeout(name, watch, evidence(null, "SIGKILL")));
    };
    const timer = setInterval(look, LOOK_INTERVAL_MS);

    const onMessage = (message: FromChild) => {
      if (!("id" in message) || message.id !== id) return;
      lastSign = performance.now();
      if (message.kind === "progress") {
        lastShare = message.share;
        watch.onProgress(message.share, message.message === undefined ? undefined : clip(message.message));
      } else if (message.kind === "log") {
        if (logLines++ < MAX_LOG_LINES) watch.onLog(message.level, clip(message.message));
      } else {
        measure(message.rssBytes);
        end();
        if (message.kind === "failed") fail(fromWire(message.fault, name, evidence(null, null)));
        else
          settle({
            answer: message.answer as Answer,
            durationMs: performance.now() - startedAt,
            peakRssBytes,
          });
      }
    };
    child.onMessage = (message) => {
      // A listener of the caller's that throws ends this task, not the worker.
      try {
        onMessage(message);
      } catch (error) {
        killAndFail(error);
      }
    };
    child.onExit = (code, signal) => {
      if (ended) return;
      end();
      fail(crashed(name, evidence(code, signal)));
    };
    watch.signal.addEventListener("abort", onAbort, { once: true });
    if (watch.signal.aborted) onAbort();
    else if (child.alive()) child.send(id, task);
    else child.onExit(null, null);
  });
}

function crashed(name: string, evidence: StageEvidence): StageFailure {
  if (/heap out of memory|allocation failed/i.test(evidence.stderrTail)) return outOfMemory(name, evidence);
  const killed = evidence.signal !== null && FROM_OUTSIDE.has(evidence.signal);
  const advice = killed
    ? "It is worth another try."
    : "The document is damaged or of a kind that is not handled.";
  return new StageFailure(
    "PARSER_CRASHED",
    `The process that ran stage ${name} ${killed ? "was killed from outside" : "crashed"} ` +
      `(${evidence.signal ?? `exit code ${evidence.exitCode ?? "unknown"}`}). ` +
      (evidence.signal === "SIGKILL" ? "The machine may be short of memory." : advice),
    killed,
    evidence,
  );
}

function parserTimeout(name: string, watch: Watch, evidence: StageEvidence): StageFailure {
  return new StageFailure(
    "PARSER_TIMEOUT",
    `Stage ${name} made no progress for ${seconds(watch.idleProgressTimeoutMs)}. ` +
      "The document is damaged or made to keep its reader busy; a custom stage may hang, or has to call `progress` more often.",
    false,
    evidence,
  );
}

function stageTimeout(name: string, watch: Watch, evidence: StageEvidence): StageFailure {
  return new StageFailure(
    "STAGE_TIMEOUT",
    `Stage ${name} was not done after ${seconds(watch.timeoutMs)}. Split the document, or give the stage a longer timeout.`,
    true,
    evidence,
  );
}

function seconds(ms: number): string {
  return `${Number((ms / 1_000).toFixed(1))} s`;
}
