import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { WITHOUT_AUTH } from "../../../bench/without-auth.ts";
import { BREAKS } from "../../attack/broken.ts";
import { WITHOUT_FENCING } from "../../chaos/broken.ts";
import { patchedText } from "../../support/patched-checkout.ts";
import { ROOT } from "../../support/processes.ts";

const PATCHES = [
  ...Object.values(BREAKS).map((patch) => ({ from: "test/attack/broken.ts", patch })),
  ...WITHOUT_FENCING.map((patch) => ({ from: "test/chaos/broken.ts", patch })),
  ...WITHOUT_AUTH.map((patch) => ({ from: "bench/without-auth.ts", patch })),
];

test.each(PATCHES)("what $from changes in $patch.file stands there", ({ from, patch }) => {
  const text = readFileSync(join(ROOT, patch.file), "utf8");
  expect(patchedText(patch, text, from)).not.toBe(text);
});

test("a patch changes each of its places, and is refused where there are more or fewer", () => {
  const patch = { file: "a.ts", sound: /guard\d/, patched: "$&", places: 2 };
  expect(patchedText(patch, "guard1; guard2;", "b.ts")).toBe("$&; $&;");
  for (const text of ["guard1;", "guard1; guard2; guard3;"])
    expect(() => patchedText(patch, text, "b.ts")).toThrow(/not in 2; .* correct b\.ts/);
  expect(() => patchedText({ file: "a.ts", sound: "guard", patched: "" }, "", "b.ts")).toThrow("in 0 places");
});
