import { crc32 } from "node:zlib";
import type { Attack, Tried } from "../attack.ts";
import { bearer, call, refused, served } from "../wire.ts";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** A key with a right checksum. */
function keyOf(id: string, secret: string): string {
  let number = crc32(`slk_${id}_${secret}`);
  let check = "";
  for (let i = 0; i < 6; i++) {
    check = ALPHABET.charAt(number % 62) + check;
    number = Math.floor(number / 62);
  }
  return `slk_${id}_${secret}${check}`;
}

export const apiKeys: Attack = {
  name: "Keys: revoked, expired, wrong CRC, widening",
  async run(target) {
    const { client, accessToken } = target.alice;
    const make = (permissions: string[]) => client.auth.createApiKey({ name: "attack", permissions });
    const [good, revoked, maker] = await Promise.all([
      make(["account:read"]),
      make(["account:read"]),
      make(["api_keys:create", "account:read"]),
    ]);
    await client.auth.revokeApiKey({ id: revoked.apiKey?.id ?? "" });
    const id = good.apiKey?.id ?? "";
    const me = (headers: Record<string, string>) => call(target, "AuthService/GetCaller", {}, headers);
    const create = (body: object, credential: string) =>
      call(target, "AuthService/CreateApiKey", { name: "wide", ...body }, bearer(credential));
    const inTwoYears = new Date(Date.now() + 2 * 365 * 86_400_000).toISOString();
    const laterThanItsMaker = new Date(Date.now() + 300 * 86_400_000).toISOString();
    const tries: Promise<Tried>[] = [
      served("a key", me({ "x-api-key": good.secret })),
      refused("revoked", me({ "x-api-key": revoked.secret }), "unauthenticated"),
      refused(
        "wrong checksum",
        me(bearer(good.secret.slice(0, -1) + (good.secret.endsWith("0") ? "1" : "0"))),
        "unauthenticated",
      ),
      refused("another secret with its checksum", me(bearer(keyOf(id, "0".repeat(43)))), "unauthenticated"),
      refused("without its last character", me(bearer(good.secret.slice(0, -1))), "unauthenticated"),
      refused("an id that nobody has", me(bearer(keyOf("0".repeat(12), "0".repeat(43)))), "unauthenticated"),
      refused(
        "together with a token",
        me({ ...bearer(accessToken), "x-api-key": good.secret }),
        "unauthenticated",
      ),
      refused("two in one header", me(bearer(`${good.secret}, Bearer ${maker.secret}`)), "unauthenticated"),
      refused(
        "a key makes a wider key",
        create({ permissions: ["jobs:read"] }, maker.secret),
        "permission_denied",
      ),
      refused(
        "a developer makes a key for users",
        create({ permissions: ["users:create"] }, accessToken),
        "permission_denied",
      ),
      refused(
        "a developer makes a key for everybody's",
        create({ permissions: ["jobs:read:any"] }, accessToken),
        "permission_denied",
      ),
      refused(
        "a permission that there is not",
        create({ permissions: ["jobs:everything"] }, accessToken),
        "permission_denied",
        "invalid_argument",
      ),
      refused(
        "for two years",
        create({ permissions: ["jobs:read"], expireTime: inTwoYears }, accessToken),
        "invalid_argument",
      ),
      refused(
        "a key makes one that outlives it",
        create({ permissions: ["account:read"], expireTime: laterThanItsMaker }, maker.secret),
        "permission_denied",
        "invalid_argument",
      ),
      refused(
        "a name with more than 100 characters",
        create({ name: "x".repeat(101), permissions: ["jobs:read"] }, accessToken),
        "invalid_argument",
      ),
    ];
    if (target.own) {
      const expired = await make(["account:read"]);
      await target.own
        .sql`update api_keys set expires_at = now() - interval '1 second' where id = ${expired.apiKey?.id ?? ""}`;
      tries.push(refused("expired", me({ "x-api-key": expired.secret }), "unauthenticated"));
    }
    return await Promise.all(tries);
  },
};
