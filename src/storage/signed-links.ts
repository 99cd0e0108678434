import { createHmac, timingSafeEqual } from "node:crypto";
import type { Clock } from "../lib/clock.ts";
import { LinkRefusedError } from "./errors.ts";

/** What a signed link allows. */
export interface Link {
  readonly method: "GET" | "PUT";
  readonly key: string;
  /** Seconds since the epoch; the link is refused from this instant on. */
  readonly expires: number;
  readonly filename: string | null;
  readonly mediaType: string | null;
  readonly maxBytes: number | null;
}

export interface LinkSigner {
  /** The query of the link, signature included. */
  sign(link: Link): URLSearchParams;
  /** What the link allows. @throws LinkRefusedError when altered or expired */
  verify(method: "GET" | "PUT", key: string, query: URLSearchParams): Link;
}

const SIGNED = ["expires", "filename", "type", "max_bytes"];

/** Signs and verifies links with HMAC-SHA256 over everything that they allow. */
export function createLinkSigner(secret: string | Uint8Array, clock: Clock): LinkSigner {
  // A key of its own: a secret that also serves something else signs nothing that is valid here.
  const hmacKey = createHmac("sha256", secret).update("sluice signed links v1").digest();
  // Over the text of the query, not what it means: two texts that mean the same number are two links.
  const signature = (method: string, key: string, query: URLSearchParams): Buffer => {
    const signed = [method, key, ...SIGNED.map((name) => query.get(name))];
    return Buffer.from(createHmac("sha256", hmacKey).update(JSON.stringify(signed)).digest("base64url"));
  };
  return {
    sign(link) {
      const query = new URLSearchParams({ method: link.method, expires: String(link.expires) });
      if (link.filename !== null) query.set("filename", link.filename);
      if (link.mediaType !== null) query.set("type", link.mediaType);
      if (link.maxBytes !== null) query.set("max_bytes", String(link.maxBytes));
      query.set("sig", signature(link.method, link.key, query).toString());
      return query;
    },
    verify(method, key, query) {
      const given = Buffer.from(query.get("sig") ?? "");
      const wanted = signature(method, key, query);
      if (given.length !== wanted.length || !timingSafeEqual(given, wanted))
        throw new LinkRefusedError("LINK_INVALID");
      const maxBytes = query.get("max_bytes");
      const link: Link = {
        method,
        key,
        expires: Number(query.get("expires")),
        filename: query.get("filename"),
        mediaType: query.get("type"),
        maxBytes: maxBytes === null ? null : Number(maxBytes),
      };
      if (link.expires * 1_000 <= clock.now()) throw new LinkRefusedError("LINK_EXPIRED");
      return link;
    },
  };
}
