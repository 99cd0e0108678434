import type { Json } from "./json.ts";

/** What a call leaves in the audit log. It goes with the caller through the services, down to who writes the row. */
export interface Trail {
  /** The method in full, as `sluice.v1.JobsService/CreateJob`. */
  readonly method: string;
  /** What the call is, as `jobs.create`: an entry of this name is the call's own row, all others stand beside it. */
  readonly action: string;
  readonly resourceType: string;
  /** Milliseconds since the call began. */
  elapsedMs(): number;
  /** The request without its secrets. */
  details(): { readonly [key: string]: Json };
  /** The key of the call's own row, from the moment somebody forms it: whoever else sends it, it is stored once. */
  row: { readonly id: string; readonly timestamp: Date } | null;
  /** The call's own row is committed, together with its change. */
  committed: boolean;
}
