import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { systemClock } from "../../../src/lib/clock.ts";
import { createFileRoutes } from "../../../src/storage/file-routes.ts";
import { createFileStore } from "../../../src/storage/file-store.ts";

// A file server of its own process, which tells the most memory it ever held.
const [root = "", size = ""] = process.argv.slice(2);
const server = createServer();
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const store = createFileStore({
  root,
  publicUrl: origin,
  signingSecret: "a secret of the test",
  clock: systemClock,
});
const routes = createFileRoutes(store);
server.on("request", (req, res) => {
  void routes(req, res).then((mine) => mine || res.end(String(process.resourceUsage().maxRSS * 1024)));
});
const put = await store.signPut("large", { expiresInSeconds: 600, maxBytes: Number(size) });
const get = await store.signGet("large", { expiresInSeconds: 600 });
process.stdout.write(`${JSON.stringify({ putUrl: put.url, getUrl: get.url, rssUrl: `${origin}/rss` })}\n`);
