import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Checkout, copyCheckout } from "../support/checkout.ts";

interface Fault {
  readonly file: string;
  readonly sound: string;
  readonly broken: string;
}

/** Faults on purpose, each a guard that is taken away; the attack must find every one of them. */
export const BREAKS = {
  permissions: {
    file: "src/rpc/gate.ts",
    sound: "if (!may(caller, rule.permission)) throw",
    broken: "if (false) throw",
  },
  scopes: {
    file: "src/lib/caller.ts",
    sound: "? null : caller.userId };",
    broken: "? null : null };",
  },
  audience: { file: "src/auth/tokens.ts", sound: "        audience,\n        typ: TYPE,\n", broken: "" },
  revocation: {
    file: "src/auth/authenticator.ts",
    sound: "if (!key || key.isRevoked || !key.isActive) throw",
    broken: "if (!key) throw",
  },
  "body-limit": {
    file: "src/rpc/limits.ts",
    sound: "maxMessageBytes: 4 * 1024 * 1024,",
    broken: "maxMessageBytes: 1024 * 1024 * 1024,",
  },
  egress: {
    file: "src/egress/policy.ts",
    sound: "if (!isPublicAddress(address)) {",
    broken: "if (false) {",
  },
  links: {
    file: "src/storage/signed-links.ts",
    sound: "if (given.length !== wanted.length || !timingSafeEqual(given, wanted))",
    broken: "if (false)",
  },
} as const satisfies Readonly<Record<string, Fault>>;

export type Break = keyof typeof BREAKS;

/** A copy of this checkout without the guard. @throws Error if the guard is not where it was */
export async function brokenCheckout(name: Break): Promise<Checkout> {
  const { file, sound, broken }: Fault = BREAKS[name];
  const checkout = await copyCheckout();
  const path = join(checkout.path, file);
  const text = readFileSync(path, "utf8");
  if (text.split(sound).length !== 2) {
    await checkout[Symbol.asyncDispose]();
    throw new Error(
      `${file} does not say \`${sound}\` once; look where the guard is now and correct test/attack/broken.ts.`,
    );
  }
  // The copy is linked to the original: a new file, so that the original stays as it is.
  rmSync(path);
  writeFileSync(
    path,
    text.replace(sound, () => broken),
  );
  return checkout;
}
