import type { Attack } from "../attack.ts";
import { bearer, call, cameOf, refused } from "../wire.ts";

const AT_ONCE = 20;

export const refreshTokens: Attack = {
  name: "Refresh: reuse, 20 at once",
  async run(target) {
    const { accessToken, refreshToken } = await target.login(target.alice);
    const refresh = (token: string) => call(target, "AuthService/Refresh", { refreshToken: token });
    const all = await Promise.all(Array.from({ length: AT_ONCE }, () => refresh(refreshToken)));
    const good = all
      .filter(({ code }) => code === "ok")
      .map(({ text }) => JSON.parse(text) as { refreshToken: string });
    const successors = new Set(good.map((each) => each.refreshToken));
    const [successor = ""] = successors;
    const next = await refresh(successor);
    const { refreshToken: third = "" } =
      next.code === "ok" ? (JSON.parse(next.text) as { refreshToken?: string }) : {};
    return [
      {
        what: `${AT_ONCE} at once`,
        came: `${good.length} answered, ${successors.size} different successor`,
        held: successors.size === 1,
      },
      { what: "its successor (right, to compare)", came: cameOf(next), held: next.code === "ok" },
      await refused("the first one again, whose successor is used", refresh(refreshToken), "unauthenticated"),
      await refused("then the newest of the family", refresh(third), "unauthenticated"),
      await refused(
        "and its access token",
        call(target, "AuthService/GetCaller", {}, bearer(accessToken)),
        "unauthenticated",
      ),
      await refused("a token of nobody", refresh(`slr_${"A".repeat(43)}`), "unauthenticated"),
      await refused("an access token in its place", refresh(target.bob.accessToken), "unauthenticated"),
    ];
  },
};
