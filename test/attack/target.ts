import { createSluice } from "@sluice/sdk";
import type { Checkout } from "../support/checkout.ts";
import { type Person, type Stand, startStand } from "../support/contract/stand.ts";

/** The service that is attacked, with people who have accounts there. */
export interface Target extends AsyncDisposable {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly admin: Person;
  readonly alice: Person;
  readonly bob: Person;
  login(person: Pick<Person, "email" | "password">): Promise<Person>;
  /** Null for a server somewhere else, of which no more is known than what it answers. */
  readonly own: Stand | null;
}

/** Where documents and services of attackers may lie: on this machine, and yet not where the service's own things are. */
export const HOSTILE_HOST = "127.0.0.2";

/** Starts a server with a worker, or the copy of it in `checkout`. */
export async function startTarget(checkout: Checkout | null): Promise<Target> {
  const own = await startStand({
    worker: true,
    env: {
      SLUICE_EGRESS_ALLOW: `${HOSTILE_HOST}/32`,
      // So that nothing is refused only because it goes without TLS.
      SLUICE_EGRESS_ALLOW_HTTP: "true",
      SLUICE_LOG_LEVEL: "info",
      SLUICE_WORKER_CONCURRENCY: "4",
    },
    ...(checkout && { checkout: checkout.path }),
  });
  const { admin, alice, bob, login, port, site } = own;
  return {
    url: site.url,
    host: "127.0.0.1",
    port,
    admin,
    alice,
    bob,
    login,
    own,
    [Symbol.asyncDispose]: () => own[Symbol.asyncDispose](),
  };
}

/**
 * A server that runs. ATTACK_ADMIN, ATTACK_ALICE and ATTACK_BOB hold `e-mail:password`; the first is an administrator,
 * the others are developers. @throws Error if one is missing
 */
export async function findTarget(
  url: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Target> {
  const { hostname, port, protocol } = new URL(url);
  const clients: ReturnType<typeof createSluice>[] = [];
  const open = (accessToken: string) => {
    const client = createSluice({ url, accessToken });
    clients.push(client);
    return client;
  };
  const login: Target["login"] = async ({ email, password }) => {
    using anonymous = createSluice({ url });
    const { user, accessToken, refreshToken } = await anonymous.auth.login({ email, password });
    return { id: user?.id ?? "", email, password, accessToken, refreshToken, client: open(accessToken) };
  };
  const person = async (name: string): Promise<Person> => {
    const [email, password] = env[name]?.split(/:(.*)/s) ?? [];
    if (!email || !password)
      throw new Error(`Set ${name} to the e-mail address and password of an account: e-mail:password.`);
    return await login({ email, password });
  };
  const [admin, alice, bob] = [
    await person("ATTACK_ADMIN"),
    await person("ATTACK_ALICE"),
    await person("ATTACK_BOB"),
  ];
  return {
    url: url.replace(/\/$/, ""),
    host: hostname,
    port: Number(port || (protocol === "https:" ? 443 : 80)),
    admin,
    alice,
    bob,
    login,
    own: null,
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.close();
    },
  };
}
