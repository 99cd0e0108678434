import type { Message } from "@bufbuild/protobuf";
import {
  type ContextValues,
  createContextKey,
  createContextValues,
  type HandlerContext,
} from "@connectrpc/connect";
import type { Caller } from "../lib/caller.ts";
import type { Trail } from "../lib/trail.ts";

/** Where a request comes from. Forwarding headers count only from proxies that are trusted, see client-address.ts. */
export interface Peer {
  readonly ipAddress: string;
  readonly userAgent: string;
  readonly requestId: string;
  readonly trail?: Trail | undefined;
}

/** What the gate said; empty as long as it was not asked. */
export type Decision = "allowed" | "denied" | "";

/** One call on its way through the edge, from its headers to its end. */
export interface Call {
  /** `sluice.v1.JobsService/CreateJob` */
  readonly method: string;
  readonly peer: Peer;
  /** Credential headers on the wire, before Node drops repeated ones. */
  readonly credentialHeaders: number;
  readonly startMs: number;
  /** The first message of the request, once it is read. */
  request: Message | null;
  /** Of the thing that the call is about, once it is known. */
  resourceId: string;
  /** The call has come as far as the gate. */
  begun: boolean;
  decision: Decision;
  /** Set by the gate. */
  caller: Caller | null;
  /** Settles when the handler has ended, which may be after the call. */
  work: Promise<unknown> | null;
  /** The stream has begun. */
  streaming: boolean;
  /** The handler has returned, or its stream has ended, without an error. */
  succeeded: boolean;
  finished: boolean;
}

const callKey = createContextKey<Call | undefined>(undefined, { description: "sluice call" });

/** The context values with which a call starts. */
export function contextValuesOf(call: Call): ContextValues {
  return createContextValues().set(callKey, call);
}

/** The call that a handler's context belongs to. */
export function callOf(context: Pick<HandlerContext, "values">): Call {
  const call = context.values.get(callKey);
  if (!call) throw new Error("the call did not come through the rpc edge");
  return call;
}

/** Who calls. Methods that are public get an anonymous caller, whose `credential` is `none`. */
export function callerOf(context: Pick<HandlerContext, "values">): Caller {
  const { caller } = callOf(context);
  if (!caller) throw new Error("the call has not passed the gate");
  return caller;
}

/** The id under which the call stands in logs, in the audit log and in the `x-request-id` header. */
export function requestIdOf(context: Pick<HandlerContext, "values">): string {
  return callOf(context).peer.requestId;
}
