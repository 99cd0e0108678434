import { deriveKey } from "../../../src/lib/secret-box.ts";
import { createLinkSigner } from "../../../src/storage/signed-links.ts";
import type { Person } from "../../support/contract/stand.ts";
import type { Attack, Tried } from "../attack.ts";
import { bearer, call } from "../wire.ts";

const BYTES = "a document";

export const signedLinks: Attack = {
  name: "Signed URLs altered, expired, of another user",
  async run(target) {
    // The SDK uploads by itself; the link is asked for by hand.
    const linkOf = async ({ accessToken }: Person): Promise<URL> => {
      const file = { sizeBytes: BYTES.length, filename: "a.txt" };
      const { text } = await call(target, "JobsService/CreateUpload", file, bearer(accessToken));
      return new URL((JSON.parse(text) as { uploadUrl: string }).uploadUrl);
    };
    const [hers, his] = [await linkOf(target.alice), await linkOf(target.bob)];
    const put = async (what: string, url: URL, body = BYTES, method = "PUT"): Promise<Tried> => {
      const { status } = await fetch(url, method === "PUT" ? { method, body } : { method });
      return { what, came: String(status), held: status >= 400 && status < 500 };
    };
    const changed = (name: string, value: string | null, from = hers): URL => {
      const url = new URL(from);
      if (value === null) url.searchParams.delete(name);
      else url.searchParams.set(name, value);
      return url;
    };
    const elsewhere = new URL(hers);
    elsewhere.pathname = his.pathname;
    const above = new URL(hers);
    above.pathname = hers.pathname.replace("/files/", "/files/%2e%2e%2f");
    const tries: Tried[] = [
      await put("another signature", changed("sig", "A".repeat(43))),
      await put("no signature", changed("sig", null)),
      await put("a later end", changed("expires", String(Number(hers.searchParams.get("expires")) + 86_400))),
      await put("the end spelled otherwise", changed("expires", `${hers.searchParams.get("expires")}.0`)),
      await put("more bytes allowed", changed("max_bytes", "1000000")),
      await put("no limit of bytes", changed("max_bytes", null)),
      await put("another's place", elsewhere),
      await put("above the folder", above),
      await put("to read with a link to write", hers, "", "GET"),
      await put("more bytes than were said", hers, BYTES.repeat(100)),
    ];
    if (target.own) {
      const past = Math.floor(Date.now() / 1000) - 60;
      const signer = createLinkSigner(deriveKey(target.own.masterKey, "file links"), { now: Date.now });
      const key = decodeURIComponent(hers.pathname.replace("/files/", ""));
      const link = {
        method: "PUT",
        key,
        expires: past,
        filename: null,
        mediaType: null,
        maxBytes: 100,
      } as const;
      tries.push(
        await put("expired a minute ago", new URL(`${hers.origin}${hers.pathname}?${signer.sign(link)}`)),
      );
    }
    const { status } = await fetch(hers, { method: "PUT", body: BYTES });
    return [
      ...tries,
      { what: "as it was given (right, to compare)", came: String(status), held: status === 201 },
    ];
  },
};
