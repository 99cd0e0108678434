import type { KeyObject } from "node:crypto";
import type { SecretBox } from "../lib/secret-box.ts";
import { signingKey } from "../lib/standard-webhooks.ts";
import type { ClaimedEndpoint, DueDelivery, Wish } from "./dispatch-queries.ts";
import { type EndpointState, slotsOf } from "./schedule.ts";
import { unseal } from "./secrets.ts";

/** Deliveries that are read ahead for each place of an endpoint. */
const AHEAD = 25;

/** Where an endpoint is and what its deliveries are sent and signed with. */
export interface Target {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly key: KeyObject;
  /** Of the secret before; null = there is none. */
  readonly oldKey: KeyObject | null;
  readonly oldKeyExpiresMs: number;
}

/** An endpoint that this process delivers to. */
export interface HeldEndpoint {
  readonly id: string;
  readonly userId: string;
  readonly fence: string;
  readonly version: number;
  readonly target: Target;
  state: EndpointState;
  /** Read and not begun. */
  readonly waiting: DueDelivery[];
  /** Read, begun, or ended and not recorded: none of them may be read again. */
  readonly inHand: Set<string>;
  /** Attempts on their way. */
  inFlight: number;
  /** The last look found as many as it asked for. */
  mayHaveMore: boolean;
  /** Nothing more is begun: it is to be released. */
  isLeaving: boolean;
}

/** @throws Error when the master key is not the one that it was kept with */
export function holdEndpoint(box: SecretBox, endpoint: ClaimedEndpoint): HeldEndpoint {
  const { id, userId, fence, version, failures, failingSince } = endpoint;
  return {
    id,
    userId,
    fence,
    version,
    target: targetOf(box, endpoint),
    state: { failures, failingSince: failingSince?.getTime() ?? null, pausedUntil: 0 },
    waiting: [],
    inHand: new Set(),
    inFlight: 0,
    mayHaveMore: false,
    isLeaving: false,
  };
}

/** Whether it may begin another attempt, and has one to begin. */
export function canBegin(held: HeldEndpoint): boolean {
  return !held.isLeaving && held.waiting.length > 0 && held.inFlight < slotsOf(held.state);
}

/** How many more deliveries it should have at hand; 0 while it has enough. */
export function wantOf({ state, waiting, isLeaving }: HeldEndpoint): number {
  const places = slotsOf(state);
  return isLeaving || waiting.length > places ? 0 : places * AHEAD;
}

export function wishOf(held: HeldEndpoint): Wish {
  const { id, fence, version, inHand } = held;
  return { id, fence, version, limit: wantOf(held), except: [...inHand] };
}

function targetOf(box: SecretBox, endpoint: ClaimedEndpoint): Target {
  const { id, url, headers, secret, oldSecret, oldSecretExpiresAt } = endpoint;
  const keyOf = (sealed: Uint8Array): KeyObject => signingKey(unseal(box, id, "secret", sealed));
  return {
    url: unseal(box, id, "url", url),
    headers: headers ? JSON.parse(unseal(box, id, "headers", headers)) : {},
    key: keyOf(secret),
    oldKey: oldSecret && keyOf(oldSecret),
    oldKeyExpiresMs: oldSecretExpiresAt?.getTime() ?? 0,
  };
}

/** What signs at `nowMs`: during a rotation the key of the new secret and that of the old one. */
export function keysAt({ key, oldKey, oldKeyExpiresMs }: Target, nowMs: number): KeyObject[] {
  return oldKey !== null && oldKeyExpiresMs > nowMs ? [key, oldKey] : [key];
}
