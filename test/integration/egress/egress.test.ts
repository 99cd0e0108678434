import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { expect, onTestFinished, test } from "vitest";
import { createEgress, type Egress } from "../../../src/egress/egress.ts";
import { EgressDeniedError, EgressFailedError } from "../../../src/egress/errors.ts";
import type { OwnAddress } from "../../../src/egress/policy.ts";
import { parsePlaces } from "../../../src/lib/address-ranges.ts";

async function serve(listener: RequestListener): Promise<{ port: number; server: Server }> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, server };
}

function open(
  options: {
    allow?: string[];
    own?: OwnAddress[];
    resolve?: (host: string) => Promise<readonly string[]>;
  } = {},
): Egress {
  const { ranges, hosts } = parsePlaces(options.allow ?? ["127.0.0.0/8"]);
  const egress = createEgress({
    policy: { ranges, hosts, allowHttp: false },
    own: () => options.own ?? [],
    ...(options.resolve ? { resolve: options.resolve } : {}),
  });
  onTestFinished(() => egress.close());
  return egress;
}

const signal = (): AbortSignal => AbortSignal.timeout(10_000);

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

test("a call sends its headers and body to the address, and streams the answer", async () => {
  const seen: { headers: IncomingMessage["headers"]; body: string }[] = [];
  const { port } = await serve(async (request, response) => {
    seen.push({ headers: request.headers, body: await textOf(request) });
    response.writeHead(201, { "x-answer": "yes" }).end("hello");
  });
  const answer = await open().call({
    url: `http://127.0.0.1:${port}/path?q=1`,
    method: "POST",
    headers: { "x-mine": "1" },
    body: "sent",
    signal: signal(),
  });
  expect(answer.status).toBe(201);
  expect(answer.headers["x-answer"]).toBe("yes");
  expect(await textOf(answer.body)).toBe("hello");
  expect(seen).toMatchObject([
    { body: "sent", headers: { "x-mine": "1", host: `127.0.0.1:${port}`, "accept-encoding": "identity" } },
  ]);
});

test("a body that was to be sent ends with a call that is refused before it begins", async () => {
  const body = Readable.from(["never sent"]);
  const egress = open({ allow: [] });
  const call = egress.call({ url: "https://10.0.0.1/", method: "POST", body, signal: signal() });
  await expect(call).rejects.toThrow(EgressDeniedError);
  expect(body.destroyed).toBe(true);
});

test("nothing is dialled when one of several addresses of a name is private", async () => {
  let calls = 0;
  const { port } = await serve((_, response) => {
    calls++;
    response.end();
  });
  const egress = open({ allow: [], resolve: async () => ["93.184.215.14", "127.0.0.1"] });
  await expect(egress.call({ url: `https://mixed.example:${port}/`, signal: signal() })).rejects.toThrow(
    EgressDeniedError,
  );
  expect(calls).toBe(0);
});

test("a name that changes its address after it was vetted is dialled where it was vetted", async () => {
  const { port } = await serve((request, response) => response.end(`host ${request.headers.host}`));
  const answers = [["127.0.0.1"], ["10.0.0.1"]];
  const egress = open({ resolve: async () => answers.shift() ?? [] });
  const url = `http://rebinding.example:${port}/`;
  const first = await egress.call({ url, signal: signal() });
  expect(await textOf(first.body)).toBe(`host rebinding.example:${port}`);
  expect(answers).toEqual([["10.0.0.1"]]);
});

test("each redirect is vetted like the first address, carries no headers, and their number is bounded", async () => {
  const seen: [string | undefined, string | undefined][] = [];
  const { port } = await serve((request, response) => {
    seen.push([request.url, request.headers["x-secret"] as string | undefined]);
    const places: Record<string, string> = {
      "/start": "/next",
      "/inside": "http://169.254.169.254/latest/",
      "/file": "file:///etc/passwd",
      "/loop": "/loop",
    };
    const location = places[request.url ?? ""];
    if (location) response.writeHead(302, { location }).end();
    else response.end("there");
  });
  const egress = open();
  const call = (path: string, maxRedirects: number) =>
    egress.call({
      url: `http://127.0.0.1:${port}${path}`,
      headers: { "x-secret": "s" },
      maxRedirects,
      signal: signal(),
    });
  const there = await call("/start", 3);
  expect([await textOf(there.body), there.url.pathname]).toEqual(["there", "/next"]);
  expect(seen).toEqual([
    ["/start", "s"],
    ["/next", undefined],
  ]);
  expect((await call("/start", 0)).status).toBe(302);
  await expect(call("/inside", 3)).rejects.toThrow(EgressDeniedError);
  await expect(call("/file", 3)).rejects.toThrow(EgressDeniedError);
  await expect(call("/loop", 3)).rejects.toMatchObject({ fault: "redirect" });
});

test("its own address is refused although its range is allowed", async () => {
  const { port } = await serve((_, response) => response.end());
  const egress = open({ own: [{ address: "127.0.0.1", port }] });
  await expect(egress.call({ url: `http://127.0.0.1:${port}/`, signal: signal() })).rejects.toThrow(
    "the server itself",
  );
});

test("a refused connection, an unknown name, a wrong certificate and a cut answer are told apart", async () => {
  const { port, server } = await serve((request, response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write("half");
    request.socket.destroySoon();
  });
  const egress = open({
    allow: ["127.0.0.0/8"],
    async resolve(host) {
      if (host === "nowhere.example") throw Object.assign(new Error("no"), { code: "ENOTFOUND" });
      return ["127.0.0.1"];
    },
  });
  const call = (url: string) => egress.call({ url, signal: signal() });
  const cut = await call(`http://half.example:${port}/`);
  await expect(textOf(cut.body)).rejects.toThrow(EgressFailedError);
  await expect(call("http://nowhere.example/")).rejects.toMatchObject({ fault: "dns" });
  await expect(call(`https://half.example:${port}/`)).rejects.toMatchObject({
    fault: expect.stringMatching(/tls|protocol/),
  });
  server.close();
  server.closeAllConnections();
  await expect(call(`http://gone.example:${port}/`)).rejects.toMatchObject({ fault: "connect" });
});

test("a body that drips for ever ends with the caller's signal", async () => {
  const { port } = await serve((_, response) => {
    const drip = setInterval(() => response.write("."), 20);
    response.on("close", () => clearInterval(drip));
  });
  const stop = new AbortController();
  const answer = await open().call({ url: `http://127.0.0.1:${port}/`, signal: stop.signal });
  let size = 0;
  const read = (async () => {
    for await (const chunk of answer.body) {
      size += chunk.length;
      if (size >= 3) stop.abort(new Error("enough"));
    }
  })();
  await expect(read).rejects.toThrow("enough");
});
