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
  publicUrl: () => origin,
  signingSecret: "a secret of the test",
  clock: systemClock,
});
let uploaded = "";
const routes = createFileRoutes(store, {
  async onUploaded(_key, storedKey) {
    uploaded = storedKey;
  },
});
server.on("request", (req, res) => {
  void routes(req, res).then(async (mine) => {
    if (mine) return;
    if (req.url !== "/link") res.end(String(process.resourceUsage().maxRSS * 1024));
    else res.end((await store.signGet(uploaded, { expiresInSeconds: 600 })).url);
  });
});
const put = await store.signPut("large", { expiresInSeconds: 600, maxBytes: Number(size) });
process.stdout.write(
  `${JSON.stringify({ putUrl: put.url, linkUrl: `${origin}/link`, rssUrl: `${origin}/rss` })}\n`,
);
