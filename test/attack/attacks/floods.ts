import type { Flood } from "../attack.ts";
import { waits } from "../waits.ts";
import { bearer, call } from "../wire.ts";
import { bomb } from "./bodies.ts";

export const anonymousBombs: Flood = {
  name: "Oversize and bomb bodies, anonymous",
  async run(target, signal) {
    let [sent, refused] = [0, 0];
    const one = async (): Promise<void> => {
      while (!signal.aborted) {
        sent++;
        const { status } = await call(target, "JobsService/CreateJob", bomb, {
          "content-encoding": "gzip",
        }).catch(() => ({ status: 0 }));
        if (status === 401 || status === 429) refused++;
        await waits(20, signal);
      }
    };
    await Promise.all(Array.from({ length: 4 }, one));
    return [
      {
        what: `${sent} bombs of 300 MiB`,
        came: `${refused} refused before they were read`,
        held: refused >= sent * 0.95,
      },
    ];
  },
};

export const loginFlood: Flood = {
  name: "Login: brute force, all at once",
  async run(target, signal) {
    const reasons = new Map<string, number>();
    const one = async (_: unknown, n: number): Promise<void> => {
      for (let i = 0; !signal.aborted; i++) {
        const login = { email: `flood-${n}-${i % 50}@example.org`, password: `guess ${i}` };
        const { reason } = await call(target, "AuthService/Login", login).catch(() => ({
          reason: "no answer",
        }));
        reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
        await waits(5, signal);
      }
    };
    await Promise.all(Array.from({ length: 8 }, one));
    const known = ["LOGIN_FAILED", "LOGIN_THROTTLED", "RATE_LIMITED", "PASSWORDS_BUSY"];
    const tried = [...reasons].reduce((sum, [, count]) => sum + count, 0);
    const failed = reasons.get("LOGIN_FAILED") ?? 0;
    return [
      {
        what: `${tried} guesses from one address`,
        came: [...reasons].map(([reason, count]) => `${reason} ${count}`).join(", "),
        // Sixty are free, and one more every two seconds.
        held: failed <= 100 && [...reasons.keys()].every((reason) => known.includes(reason)),
      },
    ];
  },
};

export const garbage: Flood = {
  name: "Credentials of nobody, all at once",
  async run(target, signal) {
    let [sent, refused] = [0, 0];
    const one = async (): Promise<void> => {
      while (!signal.aborted) {
        sent++;
        const { status } = await call(target, "JobsService/ListJobs", {}, bearer(`x${Math.random()}`)).catch(
          () => ({ status: 0 }),
        );
        if (status === 401 || status === 429) refused++;
      }
    };
    await Promise.all(Array.from({ length: 4 }, one));
    return [{ what: `${sent} calls with garbage`, came: `${refused} refused`, held: refused === sent }];
  },
};
