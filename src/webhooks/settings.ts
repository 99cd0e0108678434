import type { Egress } from "../egress/egress.ts";
import { EgressDeniedError } from "../egress/errors.ts";
import { type FieldFault, InvalidRequestError } from "../lib/errors.ts";
import { EVENT_TYPES, namesAny } from "./event-types.ts";

/** What the owner of a webhook sets, as the request has it. */
export interface Settings {
  readonly url: string;
  readonly events: readonly string[];
  readonly description: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Headers that are ours, the connection's, or that say how the body is to be read. */
const RESERVED =
  /^(?:host|connection|content-.*|transfer-encoding|te|trailer|upgrade|keep-alive|expect|proxy-.*|accept-encoding|user-agent|webhook-.*)$/i;

/** @throws InvalidRequestError with all that is wrong, EgressDeniedError when no call could reach the URL */
export function assertSettings({ url, events, headers }: Settings, egress: Egress): void {
  const faults: FieldFault[] = [];
  for (const [i, pattern] of events.entries()) {
    if (namesAny(pattern)) continue;
    const names = EVENT_TYPES.map(({ name }) => name).join(", ");
    faults.push({ field: `events[${i}]`, description: `there is no event ${pattern}; there are ${names}` });
  }
  const seen = new Set<string>();
  for (const name of Object.keys(headers)) {
    const field = `headers[${JSON.stringify(name)}]`;
    if (RESERVED.test(name)) faults.push({ field, description: "this header is the service's own" });
    if (seen.has(name.toLowerCase())) faults.push({ field, description: "it is given twice" });
    seen.add(name.toLowerCase());
  }
  if (faults.length > 0) throw new InvalidRequestError(faults);
  try {
    egress.check(url);
  } catch (error) {
    if (error instanceof EgressDeniedError) throw error;
    throw new InvalidRequestError([{ field: "url", description: "it is not a valid URL" }]);
  }
}

/** @throws InvalidRequestError with each header that has no value, and `why` */
export function assertHeaderValues(headers: Settings["headers"], why: string): void {
  const empty = Object.keys(headers).filter((name) => headers[name] === "");
  if (empty.length === 0) return;
  throw new InvalidRequestError(
    empty.map((name) => ({ field: `headers[${JSON.stringify(name)}]`, description: why })),
  );
}

/** The URL without what may be a secret: its query and its fragment. */
export function shownUrl(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

/** Headers of an update: a name with an empty value keeps the value it has, as long as the URL stays. */
export function keptHeaders(
  wanted: Readonly<Record<string, string>>,
  before: Readonly<Record<string, string>>,
): Record<string, string> {
  const known = new Map(Object.entries(before).map(([name, value]) => [name.toLowerCase(), value]));
  return Object.fromEntries(
    Object.entries(wanted).map(([name, value]) => [name, value || (known.get(name.toLowerCase()) ?? "")]),
  );
}
