import type { Checkout } from "../support/checkout.ts";
import { type Patch, patchedCheckout } from "../support/patched-checkout.ts";

/** Faults on purpose, each a guard that is taken away; the attack must find every one of them. */
export const BREAKS = {
  permissions: {
    file: "src/rpc/gate.ts",
    sound: "if (!may(caller, rule.permission)) throw",
    patched: "if (false) throw",
  },
  scopes: {
    file: "src/lib/caller.ts",
    sound: "? null : caller.userId);",
    patched: "? null : null);",
  },
  audience: { file: "src/auth/tokens.ts", sound: "        audience,\n        typ: TYPE,\n", patched: "" },
  revocation: {
    file: "src/auth/authenticator.ts",
    sound: "if (!key || key.isRevoked || !key.isActive) throw",
    patched: "if (!key) throw",
  },
  "body-limit": {
    file: "src/rpc/limits.ts",
    sound: "maxMessageBytes: 4 * 1024 * 1024,",
    patched: "maxMessageBytes: 1024 * 1024 * 1024,",
  },
  egress: {
    file: "src/egress/policy.ts",
    sound: "if (!isPublicAddress(address)) throw",
    patched: "if (false) throw",
  },
  links: {
    file: "src/storage/signed-links.ts",
    sound: "if (given.length !== wanted.length || !timingSafeEqual(given, wanted))",
    patched: "if (false)",
  },
} as const satisfies Readonly<Record<string, Patch>>;

export type Break = keyof typeof BREAKS;

/** A copy of this checkout without the guard. @throws Error if the guard is not where it was */
export async function brokenCheckout(name: Break): Promise<Checkout> {
  return await patchedCheckout([BREAKS[name]], "test/attack/broken.ts");
}
