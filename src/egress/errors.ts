import { SluiceError } from "../lib/errors.ts";

/** The address is not one that the server may call. What it resolves to is not told: that would map the inside. */
export class EgressDeniedError extends SluiceError {
  override name = "EgressDeniedError";
  readonly kind = "invalid_argument";
  readonly reason = "EGRESS_DENIED";
  constructor(place: string, why: string) {
    super(
      `The server may not call ${place}: ${why}. Use a public https address, or have the operator allow it with SLUICE_EGRESS_ALLOW.`,
      { place },
    );
  }
}

/** In which step a call failed. */
export type EgressFault = "dns" | "connect" | "tls" | "timeout" | "redirect" | "protocol";

/** A call that is allowed did not succeed. */
export class EgressFailedError extends SluiceError {
  override name = "EgressFailedError";
  readonly kind = "unavailable";
  readonly reason = "SOURCE_UNREACHABLE";
  readonly fault: EgressFault;
  constructor(place: string, fault: EgressFault, message: string, cause?: unknown) {
    super(`${place} could not be reached: ${message}`, { place, fault }, { cause });
    this.fault = fault;
  }
}
