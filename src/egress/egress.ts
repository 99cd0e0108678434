import { lookup } from "node:dns/promises";
import { Readable } from "node:stream";
import type { Dispatcher } from "undici";
import { within } from "../lib/within.ts";
import type { VettedAgent } from "./agent.ts";
import { EgressDeniedError, EgressFailedError } from "./errors.ts";
import { checkAddress, checkUrl, type EgressPolicy, hostOf, type OwnAddress, placeOf } from "./policy.ts";

export interface EgressDeps {
  readonly policy: EgressPolicy;
  /** Where this process listens, at the moment of the call. */
  readonly own: () => readonly OwnAddress[];
  /** Every address that a name stands for; the system's resolver unless given. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
  /** How long a connection may take, 5 s unless given. */
  readonly connectMs?: number;
}

export interface EgressRequest {
  readonly url: string;
  readonly method?: "GET" | "POST";
  /** Sent to the first host only: a redirect carries none of them. */
  readonly headers?: Readonly<Record<string, string>>;
  /** A stream ends with the call, however that ends; its length belongs into `headers`. */
  readonly body?: Uint8Array | string | Readable;
  /** How long the answer may keep its beginning, or its next piece, waiting; a minute unless given. */
  readonly idleMs?: number;
  /** Ends the call at any moment, also while the body is read; with a limit of time, since a body may drip for ever. */
  readonly signal: AbortSignal;
  /** Redirects of a GET that are followed, each vetted as the first address is; 0 unless given. */
  readonly maxRedirects?: number;
}

export interface EgressResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** As sent, never unpacked. Whoever does not read it to its end ends `signal` or the iteration. */
  readonly body: AsyncIterable<Uint8Array> & { destroy(): void };
  /** Where the answer came from, after redirects. */
  readonly url: URL;
}

export interface Egress {
  /** Refuses what no call could reach, before anything is resolved. @throws EgressDeniedError */
  check(url: string): void;
  /**
   * One call to the outside, to a vetted address only: every address that the name has is checked, and the connection
   * goes to one of these, whatever the name stands for a moment later.
   * @throws EgressDeniedError, EgressFailedError, or the reason of `signal`
   */
  call(request: EgressRequest): Promise<EgressResponse>;
  close(): Promise<void>;
}

const DNS_MS = 5_000;
const CONNECT_MS = 5_000;
/** The beginning and each pause of an answer; the whole is bounded by the caller's signal. */
const IDLE_MS = 60_000;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** The only door out of the process for addresses that users name. */
export function createEgress(deps: EgressDeps): Egress {
  const { policy, own, resolve = resolveBySystem, connectMs = CONNECT_MS } = deps;

  /** Addresses of the host, all of them allowed. */
  const vetted = async (url: URL): Promise<string> => {
    const host = hostOf(url);
    const addresses = await within(DNS_MS, resolve(host)).catch((error) => {
      throw new EgressFailedError(placeOf(url), "dns", "its name cannot be resolved", error);
    });
    if (addresses === undefined)
      throw new EgressFailedError(placeOf(url), "dns", "its name server does not answer");
    const [first] = addresses;
    if (first === undefined) throw new EgressFailedError(placeOf(url), "dns", "its name has no address");
    // One that is not allowed among others is an attempt, or a mistake that would be an attempt's way in.
    for (const address of addresses) checkAddress(url, address, policy, own());
    return first;
  };

  let opening: Promise<VettedAgent> | undefined;
  /** Loaded with the first call: many processes make none. */
  const agent = (): Promise<VettedAgent> => {
    opening ??= import("./agent.ts").then(({ openAgent }) => openAgent(vetted, connectMs));
    return opening;
  };

  const once = async (url: URL, wanted: EgressRequest, hop: number): Promise<Dispatcher.ResponseData> => {
    const { method = "GET", headers = {}, body = null, idleMs = IDLE_MS, signal } = wanted;
    try {
      const { request } = await agent();
      return await request(url, {
        method,
        headers: { "accept-encoding": "identity", ...(hop === 0 ? headers : {}) },
        body,
        headersTimeout: idleMs,
        bodyTimeout: idleMs,
        signal,
      });
    } catch (error) {
      throw signal.aborted ? signal.reason : failureOf(url, error);
    }
  };

  const follow = async (wanted: EgressRequest): Promise<EgressResponse> => {
    const { maxRedirects = 0, method = "GET", signal } = wanted;
    let url = checkUrl(wanted.url, policy);
    for (let hop = 0; ; hop++) {
      const answer = await once(url, wanted, hop);
      const { location } = answer.headers;
      const isRedirect = method === "GET" && REDIRECTS.has(answer.statusCode) && maxRedirects > 0;
      if (!isRedirect || typeof location !== "string") {
        return {
          status: answer.statusCode,
          headers: answer.headers,
          body: readable(url, answer.body, signal),
          url,
        };
      }
      drop(answer.body);
      if (hop === maxRedirects) {
        throw new EgressFailedError(placeOf(url), "redirect", `it redirects more than ${maxRedirects} times`);
      }
      const next = URL.parse(location, url);
      if (!next) throw new EgressFailedError(placeOf(url), "redirect", "it redirects to what is no address");
      url = checkUrl(next.href, policy);
    }
  };

  return {
    check(url) {
      checkUrl(url, policy);
    },

    async call(wanted) {
      try {
        return await follow(wanted);
      } catch (error) {
        // One that was refused before it was sent has nobody else who ends it.
        if (wanted.body instanceof Readable) wanted.body.destroy();
        throw error;
      }
    },

    async close() {
      await (await opening)?.close();
    },
  };
}

async function resolveBySystem(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true, verbatim: true })).map(({ address }) => address);
}

/** The body, whose failures are told as those of the call. */
function readable(
  url: URL,
  body: Dispatcher.ResponseData["body"],
  signal: AbortSignal,
): EgressResponse["body"] {
  const chunks = async function* (): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of body) yield chunk as Uint8Array;
    } catch (error) {
      throw signal.aborted ? signal.reason : failureOf(url, error);
    } finally {
      drop(body);
    }
  };
  return Object.assign(chunks(), { destroy: () => drop(body) });
}

/** Ends a body that nobody reads any more; its end is then told as an error, which is no news. */
function drop(body: Dispatcher.ResponseData["body"]): void {
  body.on("error", () => {});
  body.destroy();
}

function failureOf(url: URL, error: unknown): Error {
  if (error instanceof EgressDeniedError || error instanceof EgressFailedError) return error;
  const place = placeOf(url);
  const code = String((error as { code?: unknown }).code ?? "");
  const fail = (fault: EgressFailedError["fault"], message: string) =>
    new EgressFailedError(place, fault, message, error);
  if (/TIMEOUT|ETIMEDOUT/.test(code)) return fail("timeout", "it does not answer in time");
  if (/CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO_/.test(code))
    return fail("tls", `its certificate is not accepted (${code})`);
  if (/ECONNREFUSED|EHOST|ENET|ECONNRESET|EPIPE|UND_ERR_SOCKET/.test(code))
    return fail("connect", `the connection failed (${code})`);
  return fail("protocol", `its answer cannot be used (${code || "no code"})`);
}
