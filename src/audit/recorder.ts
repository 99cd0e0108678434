import type { FinishedCall } from "../rpc/ledger.ts";
import type { FloodGate } from "./floods.ts";
import { type Actor, systemActor } from "./model.ts";
import { keyOf, newKey, toRow } from "./rows.ts";
import type { AuditWriter } from "./writer.ts";

const MINUTE_MS = 60_000;
/** A handler that goes on after its call was given up has so long to end, before the row is written without it. */
const SETTLE_MS = 60_000;
/** How well the service is says nothing about anybody, and monitors ask for it every few seconds. */
const NOT_RECORDED = /^grpc\.health\./;
/** All other calls of a user are no more than the rates allow. */
const TOO_MANY = "RATE_LIMITED";

export interface RecorderDeps {
  readonly writer: Pick<AuditWriter, "add">;
  readonly floods: FloodGate;
  readonly now: () => number;
}

/** Gives every call its row, unless the service has committed it together with the change. */
export interface CallRecorder {
  /** For the server's `onCallFinished`. */
  readonly finished: (call: FinishedCall) => void;
  start(): Promise<void>;
  /** Writes what it still holds. */
  stop(): Promise<void>;
}

export function createCallRecorder({ writer, floods, now }: RecorderDeps): CallRecorder {
  /** Calls that were given up before their handlers have ended. */
  const unsettled = new Map<FinishedCall, NodeJS.Timeout>();
  let timer: NodeJS.Timeout | undefined;

  const write = (call: FinishedCall): void => {
    const { trail } = call.peer;
    if (!trail || trail.committed) return;
    // If its change was committed after all, that row has the same key and stands.
    const key = call.phase === "end" ? newKey(now()) : keyOf(trail, now());
    const { action, resourceType } = trail;
    const { reason, message, resourceId, durationMs, decision, phase } = call;
    const success = call.code === "ok";
    writer.add(
      toRow(key, actorOf(call), {
        action,
        resourceType,
        resourceId,
        details: phase === "end" ? {} : trail.details(),
        success,
        errorMessage: success ? "" : [reason, message].filter(Boolean).join(": "),
        decision,
        phase,
        ...(phase === "begin" ? {} : { durationMs, code: call.code }),
      }),
    );
  };

  const settled = (call: FinishedCall): void => {
    clearTimeout(unsettled.get(call));
    if (unsettled.delete(call)) write(call);
  };

  const tellFloods = (): void => {
    for (const { userId, ipAddress, count, fromMs, toMs } of floods.drain()) {
      const actor = { ...systemActor("audit"), userId: userId || null, ipAddress };
      const details = { count, from: new Date(fromMs), to: new Date(toMs) };
      const entry = { action: "rpc.flood", success: false, details };
      writer.add(toRow(newKey(now()), actor, entry));
    }
  };

  return {
    finished(call) {
      const { caller, peer, reason, work } = call;
      const { trail } = peer;
      if (!trail || NOT_RECORDED.test(trail.method)) return;
      if (trail.committed) return;
      const userId = caller?.userId ?? "";
      const isBounded = userId !== "" && reason !== TOO_MANY;
      if (!isBounded && !floods.admits({ userId, ipAddress: peer.ipAddress })) return;
      if (!work) return write(call);
      unsettled.set(call, setTimeout(settled, SETTLE_MS, call));
      work.then(
        () => settled(call),
        () => settled(call),
      );
    },
    async start() {
      timer = setInterval(tellFloods, MINUTE_MS);
    },
    async stop() {
      clearInterval(timer);
      for (const call of unsettled.keys()) settled(call);
      tellFloods();
    },
  };
}

function actorOf({ caller, peer }: FinishedCall): Actor {
  if (!caller) return { ...peer, userId: null, credentialId: "" };
  return { ...caller, userId: caller.userId || null };
}
