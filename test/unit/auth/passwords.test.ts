import * as argon2 from "@node-rs/argon2";
import { expect, test, vi } from "vitest";
import { createPasswords, hashesAtOnce } from "../../../src/auth/passwords.ts";

// The real library; its calls are counted.
vi.mock("@node-rs/argon2", { spy: true });

test("hashes leave a core to other calls, and never take more than two threads and 40 MiB", () => {
  expect([1, 2, 3, 4, 64].map(hashesAtOnce)).toEqual([1, 1, 2, 2, 2]);
});

test("a flood of guesses is hashed one after the other, the rest refused, and another network has its turn", async () => {
  const passwords = createPasswords({ concurrency: 1 });
  const stored = await passwords.hash("right");
  vi.mocked(argon2.verify).mockClear();
  const guesses = Array.from({ length: 100 }, () => passwords.verify(stored, "wrong", "192.0.2.1"));
  const other = passwords.verify(stored, "right", "198.51.100.7");
  const settled = await Promise.allSettled(guesses);
  expect(await other).toEqual({ matches: true, stale: false });
  expect(settled.filter(({ status }) => status === "fulfilled")).toHaveLength(17);
  for (const { reason } of settled.filter((each) => each.status === "rejected"))
    expect(reason).toMatchObject({ kind: "resource_exhausted", reason: "RATE_LIMITED" });
  expect(argon2.verify).toHaveBeenCalledTimes(18);
});
