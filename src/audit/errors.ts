import { SluiceError } from "../lib/errors.ts";

/** Neither database nor spill takes rows, so that a change would leave no trace that is safe. */
export class AuditUnavailableError extends SluiceError {
  override name = "AuditUnavailableError";
  readonly kind = "unavailable";
  readonly reason = "AUDIT_UNAVAILABLE";
  constructor() {
    super(
      "Changes are refused while the audit log can be written neither to the database nor to the data folder; reads go on. Try again in a moment, or tell the operator.",
      {},
      { retryAfterMs: 1_000 },
    );
  }
}
