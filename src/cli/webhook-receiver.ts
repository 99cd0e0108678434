import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type VerifiedWebhook, verifyWebhook, WebhookVerificationError } from "@sluice/sdk";
import { CliError } from "./context.ts";

/** What a call to the receiver was. */
export type Arrival =
  | { readonly ok: true; readonly verified: VerifiedWebhook }
  | { readonly ok: false; readonly error: WebhookVerificationError };

/** Twelve times the largest body that a server sends. */
const MAX_BODY_BYTES = 256 * 1024;
const MAX_CONNECTIONS = 64;
const SENDING_MS = 10_000;

export interface Receiver extends AsyncDisposable {
  /** `http://127.0.0.1:PORT/` */
  readonly url: string;
}

/**
 * Takes calls of webhooks on 127.0.0.1, whatever their path, and tells of each whether its signature is good: then it
 * answers 204, else 400. What is no call of a webhook at all is refused untold.
 * @param port 0 = a free one
 * @param secret calls that come before it is known wait for it
 * @param tell its end is waited for before the call is answered
 * @throws CliError if the port cannot be had
 */
export async function startReceiver(options: {
  readonly port: number;
  readonly secret: Promise<string>;
  readonly tell: (arrival: Arrival) => Promise<void>;
}): Promise<Receiver> {
  const server = createServer({
    maxHeaderSize: 16 * 1024,
    headersTimeout: SENDING_MS,
    requestTimeout: SENDING_MS,
    connectionsCheckingInterval: 1_000,
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.on("request", (request, response) => {
    response.on("error", () => {});
    receive(request, response, options).catch(() => request.destroy());
  });
  // What is no HTTP.
  server.on("clientError", (_, socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) =>
      reject(new CliError(`Port ${options.port} of this machine cannot be used: ${whyNot(error)}.`)),
    );
    server.listen(options.port, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function whyNot({ code, message }: NodeJS.ErrnoException): string {
  if (code === "EADDRINUSE") return "another program has it";
  if (code === "EACCES") return "you may not use it";
  return code ?? message;
}

async function receive(
  request: IncomingMessage,
  response: ServerResponse,
  { secret, tell }: { secret: Promise<string>; tell: (arrival: Arrival) => Promise<void> },
): Promise<void> {
  if (request.method !== "POST") return refuse(request, response, 405);
  const body = await bodyOf(request);
  if (!body) return refuse(request, response, 413);
  const arrival = await verify(request, body, await secret);
  await tell(arrival);
  response.writeHead(arrival.ok ? 204 : 400).end();
}

/** Without reading the rest. */
function refuse(request: IncomingMessage, response: ServerResponse, status: number): void {
  response.writeHead(status, { connection: "close" }).end(() => request.destroy());
}

/** Null if it is too long. */
async function bodyOf(request: IncomingMessage): Promise<Buffer | null> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of request.iterator({ destroyOnReturn: false })) {
    size += (piece as Buffer).length;
    if (size > MAX_BODY_BYTES) return null;
    pieces.push(piece as Buffer);
  }
  return Buffer.concat(pieces);
}

async function verify(request: IncomingMessage, body: Buffer, secret: string): Promise<Arrival> {
  try {
    // As they were sent: Node puts those that are there twice into one.
    return { ok: true, verified: await verifyWebhook(request.headersDistinct, body, secret) };
  } catch (error) {
    if (error instanceof WebhookVerificationError) return { ok: false, error };
    throw error;
  }
}
