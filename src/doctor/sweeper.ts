import type { Mender } from "./mender.ts";
import type { Mend } from "./model.ts";
import { counted } from "./words.ts";

/** The product's own sweep, as the doctor calls it. */
export interface Sweeper {
  /** Takes back jobs whose leases ran out, and forgets workers of long ago. Nothing, while another process sweeps. */
  sweep(): Promise<Mend[]>;
}

/** One job that the sweep took back, and what it is now. */
export interface SweptJob {
  readonly id: string;
  readonly status: string;
}

const BECAME: Readonly<Record<string, string>> = {
  CREATED: "in the line again",
  CANCELLED: "cancelled",
  FAILED: "set aside as QUARANTINED",
};

export function createSweeper({
  sweep,
  mend,
}: {
  sweep: () => Promise<readonly SweptJob[]>;
  mend: Mender;
}): Sweeper {
  return {
    async sweep() {
      const swept = await sweep();
      if (swept.length === 0) return [];
      const details = { by: "sluice doctor --repair" };
      const ids = await mend({ action: "jobs.take_back", resourceType: "job", details }, async () =>
        swept.map(({ id }) => id),
      );
      const became = Map.groupBy(swept, ({ status }) => BECAME[status] ?? status);
      const told = [...became].map(([what, jobs]) => `${jobs.length} ${what}`).join(", ");
      const message = `${counted(swept.length, "job")} taken back from workers that are gone, ${told}`;
      return [{ code: "LEASE_EXPIRED", message, count: swept.length, ids }];
    },
  };
}
