import type { Trail } from "../lib/trail.ts";

/**
 * Who acts, as far as it is known. A `Caller` is one; a login that failed has no user, and neither has the
 * service itself.
 */
export interface Actor {
  readonly userId: string | null;
  /** Session or API key; empty = none. */
  readonly credentialId: string;
  readonly requestId: string;
  readonly ipAddress: string;
  readonly userAgent: string;
  /** Kind of the credential: `jwt`, `api_key` or `none`; without it unknown. */
  readonly credential?: string;
  /** What the call that it acts in leaves; without it there is no call. */
  readonly trail?: Trail | undefined;
}

/** The service itself, or a command on its machine. */
export function systemActor(name: string): Actor {
  return { userId: null, credentialId: "", requestId: "", ipAddress: "", userAgent: `sluice/${name}` };
}

/** What was done or tried. */
export interface AuditEntry {
  /** `resource.verb`, e.g. `jobs.create`. */
  readonly action: string;
  readonly resourceType?: string;
  readonly resourceId?: string;
  /** What the request does not tell; redacted and cut before it is stored. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** Default true. */
  readonly success?: boolean;
  readonly errorMessage?: string;
  readonly durationMs?: number;
  /** The gRPC code with which the call ends; without it `ok` for a success. */
  readonly code?: string;
  readonly decision?: AuditRow["decision"];
  readonly phase?: AuditRow["phase"];
}

/** One row, ready to be stored. */
export interface AuditRow {
  readonly id: string;
  /** With the id its key, so that a row that is sent twice is stored once. */
  readonly timestamp: Date;
  readonly userId: string | null;
  readonly action: string;
  readonly resourceType: string;
  readonly resourceId: string;
  readonly requestDetails: unknown;
  readonly success: boolean;
  readonly errorMessage: string;
  readonly ipAddress: string | null;
  readonly userAgent: string;
  readonly requestId: string;
  readonly durationMs: number | null;
  readonly credentialId: string;
  /** `jwt`, `api_key` or `none`; empty where no call was made, or it did not get so far. */
  readonly credential: string;
  /** The method in full; empty where no call was made. */
  readonly method: string;
  /** The gRPC code; empty where no call was made, and at the beginning of a stream. */
  readonly code: string;
  /** What the gate said; empty where it was not asked. */
  readonly decision: "allowed" | "denied" | "";
  /** Of a stream; empty for what has one row. */
  readonly phase: "begin" | "end" | "";
}
