import { Agent, buildConnector, type Dispatcher, request } from "undici";
import { hostOf } from "./policy.ts";

const MAX_HEADER_BYTES = 16 * 1024;

/** Connections that go to vetted addresses only. */
export interface VettedAgent {
  request(url: URL, options: Omit<Dispatcher.RequestOptions<null>, "path">): Promise<Dispatcher.ResponseData>;
  close(): Promise<void>;
}

/**
 * @param vetted answers the address that a connection goes to, or throws; it is asked for each connection
 * @param connectMs how long a connection may take
 */
export function openAgent(vetted: (url: URL) => Promise<string>, connectMs: number): VettedAgent {
  const dial = buildConnector({ timeout: connectMs, allowH2: false });
  const agent = new Agent({
    maxHeaderSize: MAX_HEADER_BYTES,
    connections: 64,
    connect(options, callback) {
      const url = new URL(`${options.protocol}//${options.host ?? options.hostname}`);
      vetted(url).then(
        (address) => dial({ ...options, hostname: address, ...serverName(url) }, callback),
        (error) => callback(error, null),
      );
    },
  });
  return {
    request: (url, options) => request(url, { ...options, dispatcher: agent }),
    close: () => agent.destroy(),
  };
}

/** The name that a certificate is checked against; an address has none. */
function serverName(url: URL): { servername?: string } {
  return url.protocol === "https:" ? { servername: hostOf(url) } : {};
}
