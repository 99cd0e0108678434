import type { DescMethod } from "@bufbuild/protobuf";
import { Code, type ConnectError } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import type { Caller } from "../lib/caller.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Call, Decision, Peer } from "./context.ts";

/** How a call ended, or that its stream began; given to observers, e.g. the audit log. */
export interface FinishedCall {
  /** As in metrics: `unknown` for methods that the contract does not have. */
  readonly method: string;
  /** A gRPC code in lower case, e.g. `not_found`; `ok` if it went well. */
  readonly code: string;
  /** `ErrorInfo.reason`; empty if it went well or the client left. */
  readonly reason: string;
  readonly message: string;
  /** Null if the call did not get past authentication. */
  readonly caller: Caller | null;
  readonly peer: Peer;
  readonly durationMs: number;
  readonly decision: Decision;
  /** Of the thing that the call was about, as far as it is known. */
  readonly resourceId: string;
  /** Of a stream; empty for calls that are answered at once. */
  readonly phase: "begin" | "end" | "";
  /** Settles when the handler has ended: until then the call may still change something. Null if it has, or never began. */
  readonly work: Promise<unknown> | null;
}

export interface LedgerDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Told when a stream begins and when a call ends. Must not throw and must not wait. */
  readonly onFinished?: ((call: FinishedCall) => void) | undefined;
}

export type Ledger = ReturnType<typeof createLedger>;

/** Counts the open calls and writes down each one's end: one log line, one measurement. */
export function createLedger({ clock, logger, metrics, onFinished }: LedgerDeps) {
  const finite = new Set<Call>();
  const told = (call: Call, outcome: Pick<FinishedCall, "code" | "reason" | "message" | "phase">): void => {
    const { method, caller, peer, decision, resourceId, work } = call;
    const durationMs = clock.now() - call.startMs;
    onFinished?.({ method, caller, peer, decision, resourceId, work, durationMs, ...outcome });
  };
  return {
    /** Calls that come to an end by themselves soon, as server streams do not. */
    get openFinite(): number {
      return finite.size;
    },
    begin(call: Call, method: DescMethod): void {
      call.begun = true;
      if (method.methodKind === "unary" || method.methodKind === "client_streaming") finite.add(call);
    },
    /** A stream has passed gate and validation: its first message may go out. */
    opened(call: Call): void {
      call.streaming = true;
      told(call, { code: "ok", reason: "", message: "", phase: "begin" });
    },
    /** Takes the first end of a call; later ones are echoes. `error` is null if the call went well. */
    finish(call: Call, error: ConnectError | null): void {
      if (call.finished) return;
      call.finished = true;
      finite.delete(call);
      const code = error ? codeToString(error.code) : "ok";
      const reason = error?.findDetails(ErrorInfoSchema)[0]?.reason ?? "";
      const durationMs = clock.now() - call.startMs;
      const { method, caller, peer } = call;
      const phase = call.streaming ? "end" : "";
      metrics.rpcSeconds.labels(method, code).observe(durationMs / 1_000);
      const line = { requestId: peer.requestId, method, code, ms: durationMs, userId: caller?.userId ?? "" };
      const fields = reason ? { ...line, reason } : line;
      if (method.startsWith("grpc.")) logger.debug(fields, "call");
      else if (error?.code === Code.Internal) logger.error(fields, "call");
      else logger.info(fields, "call");
      told(call, { code, reason, message: error?.rawMessage ?? "", phase });
    },
  };
}
