import { type Client, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AuthService } from "../../../gen/sluice/v1/auth_pb.ts";
import { createPageTokens } from "../../../src/rpc/pages.ts";
import { createRpcServer } from "../../../src/rpc/server.ts";
import { createLogger } from "../../../src/telemetry/logger.ts";
import { createMetrics } from "../../../src/telemetry/metrics.ts";
import type { AuthHarness } from "./harness.ts";

export interface Wire extends AsyncDisposable {
  readonly url: string;
  client(credential?: string): Client<typeof AuthService>;
}

/** The service behind the real edge. */
export async function startWire({ auth }: AuthHarness): Promise<Wire> {
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
