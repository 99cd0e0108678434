import { isFinal, type JobEvent, jobStatusName, type Sluice } from "@sluice/sdk";

/** What one stream has brought. */
export interface Watched {
  readonly id: string;
  /** `<sequence> <kind>` of each event, as it came. */
  readonly seen: string[];
  /** How the stream ended; null while it is open. */
  end: "final" | string | null;
  reconnects: number;
}

/** Streams that stay open through the faults. */
export interface Watches {
  readonly all: readonly Watched[];
  open(sluice: Sluice, id: string): void;
  /** Waits until all have ended, for `ms` at most; those that are still open then end here. */
  finish(ms: number): Promise<void>;
}

export function createWatches(): Watches {
  const all: Watched[] = [];
  const ends: Promise<void>[] = [];
  const stop = new AbortController();

  const follow = async (sluice: Sluice, watched: Watched): Promise<void> => {
    let last: JobEvent | undefined;
    try {
      const onReconnect = (): void => {
        watched.reconnects++;
      };
      for await (const event of sluice.jobs.watch(watched.id, { signal: stop.signal, onReconnect })) {
        watched.seen.push(`${event.sequence} ${kindOf(event)}`);
        last = event;
      }
      const ended = last?.event.case === "statusChanged" && isFinal(last.event.value.status);
      watched.end = ended ? "final" : "it ended before the job did";
    } catch (error) {
      watched.end = stop.signal.aborted ? "it was still open" : String(error);
    }
  };

  return {
    all,
    open(sluice, id) {
      const watched: Watched = { id, seen: [], end: null, reconnects: 0 };
      all.push(watched);
      ends.push(follow(sluice, watched));
    },
    async finish(ms) {
      const timer = setTimeout(() => stop.abort(), ms);
      await Promise.all(ends);
      clearTimeout(timer);
    },
  };
}

/** The kind of an event as the database names it, with its status. */
function kindOf({ event }: JobEvent): string {
  const kind = (event.case ?? "").replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return event.case === "statusChanged" ? `${kind} ${jobStatusName(event.value.status)}` : kind;
}
