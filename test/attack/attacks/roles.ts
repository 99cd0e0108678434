import type { DescMethod } from "@bufbuild/protobuf";
import { METHODS, nameOf, permissionOf } from "../../support/contract/methods.ts";
import { fill } from "../../support/contract/requests.ts";
import { allWires } from "../../support/contract/wires.ts";
import type { Attack, Tried } from "../attack.ts";
import { bearer } from "../wire.ts";

/** A whole valid request, so that nothing but the caller is wrong with it. */
const requestOf = (method: DescMethod) =>
  fill(method.input, { all: false, id: () => undefined, word: () => "attack" });

export const roles: Attack = {
  name: "Every method without a credential, and as somebody whose role does not have it",
  async run(target) {
    const { client, accessToken } = target.alice;
    const { permissions } = await client.auth.getCaller({});
    const mine = new Set(permissions.map((permission) => permission.replace(/:any$/, "")));
    const guarded = METHODS.filter((method) => permissionOf(method) !== null);
    const others = guarded.filter((method) => !mine.has(permissionOf(method) ?? ""));
    const wires = allWires(target.port, target.host);
    const tries: Tried[] = [];
    const all = async (
      what: string,
      methods: readonly DescMethod[],
      headers: Record<string, string>,
      code: string,
    ) => {
      for (const wire of wires) {
        const codes = await Promise.all(
          methods.map(async (method) => ({
            method,
            ...(await wire.call({ method, headers, request: requestOf(method) })),
          })),
        );
        const wrong = codes.filter((answer) => answer.code !== code);
        const names = wrong.map((answer) => `${nameOf(answer.method)} ${answer.code}`).join(", ");
        tries.push({
          what: `${methods.length} methods ${what}, ${wire.name}`,
          came: names || code,
          held: wrong.length === 0,
        });
      }
    };
    await all("anonymously", guarded, {}, "unauthenticated");
    await all("of others, as a developer", others, bearer(accessToken), "permission_denied");
    for (const wire of wires) wire.close();
    return tries;
  },
};
