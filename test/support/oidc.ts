import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(new URL("./oidc-issuer.mjs", import.meta.url));
export const AUDIENCE = "https://sluice.example/api";

type Claims = Readonly<Record<string, unknown>>;

/** A process that is a real OpenID Connect issuer; its clients get access tokens for themselves. */
export interface TestIssuer extends AsyncDisposable {
  readonly url: string;
  /** An access token whose subject is the client. */
  token(client: string, audience?: string): Promise<string>;
  /** What the tokens of a client say besides, from now on. */
  setClaims(client: string, claims: Claims): Promise<void>;
  /** Signs with a new key from now on; `keep` publishes the old one too, `drop` withdraws it. */
  rotate(old: "keep" | "drop"): Promise<void>;
  /** How often it was asked. */
  hits(): Promise<{ readonly discovery: number; readonly keys: number }>;
}

/**
 * @param options.clients what the tokens of each client say besides
 * @param options.as the name of another issuer, in which this one signs with its own keys
 */
export async function startIssuer(options: {
  readonly clients: Readonly<Record<string, Claims>>;
  readonly as?: string;
  readonly port?: number;
}): Promise<TestIssuer> {
  const { clients, as: issuer, port = 0 } = options;
  const child = fork(PROGRAM, [JSON.stringify({ port, issuer, clients })], {
    execArgv: [],
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  const [{ url }] = (await once(child, "message")) as [{ url: string }];
  let calls = 0;
  const ask = async (order: object): Promise<{ hits: { discovery: number; keys: number } }> => {
    const id = ++calls;
    child.send({ id, ...order });
    for (;;) {
      const [answer] = await once(child, "message");
      if (answer.id === id) return answer;
    }
  };
  return {
    url,
    async token(client, audience = AUDIENCE) {
      const response = await fetch(`${url}/token`, {
        method: "POST",
        headers: { authorization: `Basic ${btoa(`${client}:secret`)}` },
        body: new URLSearchParams({ grant_type: "client_credentials", resource: audience }),
      });
      const answer = (await response.json()) as { access_token?: string };
      if (!answer.access_token) throw new Error(`no token: ${JSON.stringify(answer)}`);
      return answer.access_token;
    },
    async setClaims(client, claims) {
      await ask({ claims: { client, of: claims } });
    },
    async rotate(old) {
      await ask({ rotate: old });
    },
    hits: async () => (await ask({})).hits,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}
