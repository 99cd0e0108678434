import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";

/** A server of the attacker's, or one that the attacker must not reach. */
export interface HostileServer extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  /** Requests that have come. */
  readonly calls: number;
}

export async function listenAt(address: string, answer: RequestListener): Promise<HostileServer> {
  let calls = 0;
  const server = createServer((request, response) => {
    calls++;
    request.on("error", () => {});
    response.on("error", () => {});
    answer(request, response);
  }).listen(0, address);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://${address}:${port}`,
    get calls() {
      return calls;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}
