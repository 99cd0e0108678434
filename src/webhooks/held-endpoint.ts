import type { SecretBox } from "../lib/secret-box.ts";
import type { ClaimedEndpoint, DueDelivery, Wish } from "./dispatch-queries.ts";
import type { Post } from "./post.ts";
import { type EndpointState, slotsOf } from "./schedule.ts";
import { unseal } from "./secrets.ts";

/** Deliveries that are read ahead for each place of an endpoint. */
const AHEAD = 25;

/** An endpoint that this process delivers to. */
export interface HeldEndpoint {
  readonly id: string;
  readonly userId: string;
  readonly fence: string;
  readonly version: number;
  readonly isOrdered: boolean;
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

export function holdEndpoint(endpoint: ClaimedEndpoint): HeldEndpoint {
  const { id, userId, fence, version, isOrdered, failures, failingSince } = endpoint;
  return {
    id,
    userId,
    fence,
    version,
    isOrdered,
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
  const { id, fence, version, isOrdered, inHand } = held;
  return { id, fence, version, isOrdered, limit: wantOf(held), except: [...inHand] };
}

/** Where and with what its deliveries are posted. @throws Error when the master key is not the one it was kept with */
export function targetOf(
  box: SecretBox,
  endpoint: ClaimedEndpoint,
  nowMs: number,
): Pick<Post, "url" | "headers" | "secrets"> {
  const { id, url, headers, secret, oldSecret, oldSecretExpiresAt } = endpoint;
  const secrets = [unseal(box, id, "secret", secret)];
  if (oldSecret && oldSecretExpiresAt && oldSecretExpiresAt.getTime() > nowMs)
    secrets.push(unseal(box, id, "secret", oldSecret));
  return {
    url: unseal(box, id, "url", url),
    headers: headers ? JSON.parse(unseal(box, id, "headers", headers)) : {},
    secrets,
  };
}
