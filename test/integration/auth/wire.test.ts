import { type Client, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { expect, test } from "vitest";
import { AuthService, CredentialType } from "../../../gen/sluice/v1/auth_pb.ts";
import { createPageTokens } from "../../../src/rpc/pages.ts";
import { createRpcServer } from "../../../src/rpc/server.ts";
import { createLogger } from "../../../src/telemetry/logger.ts";
import { createMetrics } from "../../../src/telemetry/metrics.ts";
import { ADMIN, type AuthHarness, startAuth } from "./harness.ts";

interface Wire extends AsyncDisposable {
  readonly url: string;
  client(credential?: string): Client<typeof AuthService>;
}

/** The service behind the real edge. */
async function startWire({ auth }: AuthHarness): Promise<Wire> {
  const server = createRpcServer({
    addr: { host: "127.0.0.1", port: 0 },
    services: auth.routes(createPageTokens(Buffer.alloc(32, 1))),
    authenticate: auth.authenticate,
    revalidate: auth.revalidate,
    http: [auth.jwks],
    version: "0.0.0-test",
    logger: createLogger("silent"),
    metrics: createMetrics(),
  });
  const { url } = await server.start();
  return {
    url,
    client(credential) {
      const withCredential: Interceptor = (next) => (request) => {
        if (credential) request.header.set("authorization", `Bearer ${credential}`);
        return next(request);
      };
      return createClient(
        AuthService,
        createConnectTransport({ baseUrl: url, httpVersion: "1.1", interceptors: [withCredential] }),
      );
    },
    [Symbol.asyncDispose]: () => server.stop(0),
  };
}

test("a caller logs in, makes a key, uses it, pages through keys, revokes it and logs out", async () => {
  await using h = await startAuth();
  await using wire = await startWire(h);
  const { accessToken, refreshToken, user, expireTime } = await wire.client().login(ADMIN);
  expect(user).toMatchObject({ email: ADMIN.email, roles: ["admin"], isActive: true, version: 1 });
  expect(Number(expireTime?.seconds) - Date.now() / 1000).toBeGreaterThan(590);
  const me = wire.client(accessToken);
  expect((await me.getCaller({})).credentialType).toBe(CredentialType.ACCESS_TOKEN);
  const made = await me.createApiKey({ name: "ci", permissions: ["account:read", "jobs:read"] });
  const caller = await wire.client(made.secret).getCaller({});
  expect(caller).toMatchObject({ credentialType: CredentialType.API_KEY, credentialId: made.apiKey?.id });
  expect(caller.permissions).toEqual(["account:read", "jobs:read"]);
  const first = await me.listApiKeys({ pageSize: 1 });
  const second = await me.listApiKeys({ pageSize: 1, pageToken: first.nextPageToken });
  expect([...first.apiKeys, ...second.apiKeys].map(({ name }) => name).sort()).toEqual([
    "ci",
    "local machine",
  ]);
  expect(second.nextPageToken).toBe("");
  expect((await me.revokeApiKey({ id: made.apiKey!.id })).apiKey?.revokeTime).toBeDefined();
  await expect(wire.client(made.secret).getCaller({})).rejects.toThrow(/unauthenticated/);
  const next = await wire.client().refresh({ refreshToken });
  await wire.client(next.accessToken).logout({});
  await expect(me.getCaller({})).rejects.toThrow(/unauthenticated/);
});

test("refusals have the contract's codes, and say nothing of users", async () => {
  await using h = await startAuth();
  await using wire = await startWire(h);
  await expect(wire.client().getCaller({})).rejects.toThrow(/^\[unauthenticated\]/);
  await expect(wire.client().login({ email: ADMIN.email, password: "x" })).rejects.toThrow(
    "[unauthenticated] E-mail address or password is wrong.",
  );
  const { accessToken } = await wire.client().login(ADMIN);
  const { secret } = await wire
    .client(accessToken)
    .createApiKey({ name: "n", permissions: ["api_keys:create"] });
  const wide = wire.client(secret).createApiKey({ name: "n", permissions: ["users:create"] });
  await expect(wide).rejects.toThrow(/^\[permission_denied\]/);
  await expect(wire.client(secret).getCaller({})).rejects.toThrow(/^\[permission_denied\]/);
});

test("a foreign or altered page token is refused", async () => {
  await using h = await startAuth();
  await using wire = await startWire(h);
  const { accessToken } = await wire.client().login(ADMIN);
  const me = wire.client(accessToken);
  await me.createApiKey({ name: "n", permissions: ["jobs:read"] });
  const { nextPageToken } = await me.listApiKeys({ pageSize: 1 });
  await expect(me.listApiKeys({ pageToken: `${nextPageToken}AAAA` })).rejects.toThrow(
    /^\[invalid_argument\]/,
  );
  await expect(me.listApiKeys({ pageToken: nextPageToken, includeInactive: true })).rejects.toThrow(
    /^\[invalid_argument\]/,
  );
});

test("a password that somebody else chose is pointed out to its user until it is changed", async () => {
  await using h = await startAuth();
  await using wire = await startWire(h);
  const email = "new@example.com";
  const { generatedPassword } = await h.auth.admin.createUser({ email, roles: ["viewer"] });
  const password = generatedPassword ?? "";
  const { accessToken, user } = await wire.client().login({ email, password });
  expect(user?.mustChangePassword).toBe(true);
  const newPassword = "a password of my own";
  await wire.client(accessToken).changePassword({ currentPassword: password, newPassword });
  const own = await wire.client().login({ email, password: newPassword });
  expect(own.user?.mustChangePassword).toBe(false);
});

test("the public keys are served to anybody at the well-known place", async () => {
  await using h = await startAuth();
  await using wire = await startWire(h);
  const response = await fetch(`${wire.url}/.well-known/jwks.json`);
  expect(response.headers.get("content-type")).toBe("application/jwk-set+json");
  expect(((await response.json()) as { keys: unknown[] }).keys).toHaveLength(2);
  expect((await fetch(`${wire.url}/.well-known/jwks.json`, { method: "POST" })).status).toBe(405);
});
