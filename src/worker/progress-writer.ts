import type { NewEvent } from "../events/model.ts";
import { newEvent } from "../jobs/job-events.ts";

/** Two writes a second at the most: finer progress is coalesced before it is written. */
const INTERVAL_MS = 500;

export interface ProgressWriterOptions {
  /** The stage that reports. */
  stage: string;
  /** Share of the whole job in percent, for a share of the stage. */
  jobPercent(share: number): number;
  write(update: { share: number; message: string | null; events: readonly NewEvent[] }): Promise<void>;
  /** Called when a write failed: the attempt cannot go on. */
  onError(error: unknown): void;
}

/** Writes what a stage reports, at most twice a second and one write at a time; the newest progress wins. */
export function createProgressWriter({ stage, jobPercent, write, onError }: ProgressWriterOptions) {
  let latest: { share: number; message: string | null } | null = null;
  let share = 0;
  let message: string | null = null;
  let logs: NewEvent[] = [];
  let timer: NodeJS.Timeout | null = null;
  let writing: Promise<void> = Promise.resolve();

  /** Takes what waits by now: while a write takes long, as without a database, progress is coalesced still. */
  const writeWaiting = async (): Promise<void> => {
    if (!latest && logs.length === 0) return;
    const events = logs;
    if (latest) {
      ({ share, message } = latest);
      events.push(
        newEvent({
          type: "stage_progress",
          name: stage,
          percent: Math.round(share * 1000) / 10,
          jobPercent: jobPercent(share),
          ...(message ? { message } : {}),
        }),
      );
    }
    latest = null;
    logs = [];
    await write({ share, message, events });
  };

  const drain = (): Promise<void> => {
    if (timer) clearTimeout(timer);
    timer = null;
    writing = writing.then(writeWaiting).catch(onError);
    return writing;
  };

  const soon = (): void => {
    timer ??= setTimeout(() => void drain(), INTERVAL_MS);
  };

  return {
    progress(newShare: number, newMessage?: string): void {
      const bounded = Number.isFinite(newShare) ? Math.min(1, Math.max(0, newShare)) : 0;
      latest = { share: bounded, message: newMessage ?? null };
      soon();
    },
    log(level: "info" | "warn", text: string): void {
      logs.push(newEvent({ type: "log", level, message: text, stage }));
      soon();
    },
    /** Writes log lines that still wait; progress that still waits is overtaken by the end of the stage. */
    async flush(): Promise<void> {
      latest = null;
      await drain();
    },
  };
}
