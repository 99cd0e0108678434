import type { Attack, Tried } from "../attack.ts";
import type { Target } from "../target.ts";
import { call, cameOf } from "../wire.ts";

const ROUNDS = 4;
const GUESSES = 12;
/** A hash takes tens of milliseconds; an answer without one would be many times as fast. */
const MOST_DIFFERENCE = 3;

async function timed(target: Target, email: string): Promise<{ ms: number; text: string }> {
  const began = performance.now();
  const { text } = await call(target, "AuthService/Login", { email, password: "not the password" });
  return { ms: performance.now() - began, text };
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

/** Fewer tries than cost a wait, so that people who have accounts can go on. */
export const enumeration: Attack = {
  name: "Login: enumeration by time",
  async run(target) {
    const [known, unknown] = [[] as number[], [] as number[]];
    const texts = new Set<string>();
    for (let i = 0; i < ROUNDS; i++) {
      const there = await timed(target, target.bob.email);
      const not = await timed(target, `nobody-${i}@example.org`);
      known.push(there.ms);
      unknown.push(not.ms);
      for (const { text } of [there, not]) texts.add(text);
    }
    const [there, not] = [median(known), median(unknown)];
    await target.login(target.bob);
    const ratio = Math.max(there / not, not / there);
    return [
      { what: "what it says", came: [...texts].join(" / ").slice(0, 80), held: texts.size === 1 },
      {
        what: "how long it takes",
        came: `${there.toFixed(0)} ms for a user, ${not.toFixed(0)} ms for nobody`,
        held: ratio < MOST_DIFFERENCE,
      },
    ];
  },
};

export const bruteForce: Attack = {
  name: "Login: brute force",
  async run(target) {
    const email = `victim-${Date.now()}@example.org`;
    const guess = (from?: string) =>
      call(
        target,
        "AuthService/Login",
        { email, password: `guess ${Math.random()}` },
        from ? { "x-forwarded-for": from, forwarded: `for=${from}`, "x-real-ip": from } : {},
      );
    const all = [];
    for (let i = 0; i < GUESSES; i++) all.push(await guess());
    const throttled = all.filter(({ reason }) => reason === "LOGIN_THROTTLED");
    const spoofed = await guess("198.51.100.7");
    const tries: Tried[] = [
      {
        what: `${GUESSES} guesses at one account`,
        came: `${throttled.length} told to wait, the last: ${cameOf(all.at(-1) ?? spoofed)}`,
        held: throttled.length >= GUESSES - 7 && throttled.length > 0,
      },
      {
        what: "how long to wait is said",
        came: `retry-after: ${throttled[0]?.headers.get("retry-after")}`,
        held: Number(throttled[0]?.headers.get("retry-after")) > 0,
      },
      {
        what: "the same from another address, as X-Forwarded-For says",
        came: cameOf(spoofed),
        held: spoofed.reason === "LOGIN_THROTTLED",
      },
    ];
    return tries;
  },
};
