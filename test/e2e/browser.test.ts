import { createServer, type Server } from "node:http";
import { build } from "esbuild";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findChromium, openBrowser } from "../support/browser.ts";
import { freePort } from "../support/ports.ts";
import { createSite, longText, ROOT, type Site, writeInto } from "../support/processes.ts";

/** What the page does with a file that its user chooses. */
const PAGE_SCRIPT = `
import { createSluice } from "@sluice/sdk";
const settings = new URLSearchParams(location.hash.slice(1));
const show = (id, text) => { document.getElementById(id).textContent = text; };
document.getElementById("file").addEventListener("change", async (change) => {
  const sluice = createSluice({ url: settings.get("url"), apiKey: settings.get("key"), retry: { maxAttempts: 1 } });
  const stages = [];
  try {
    const outcome = await sluice.jobs.run(change.target.files[0], {
      onEvent({ event }) {
        if (event.case === "stageStarted") stages.push(event.value.name);
        show("stages", stages.join(" "));
      },
    });
    show("text", await outcome.text());
    show("name", outcome.job.document.filename);
  } catch (error) {
    show("error", error.name + " " + error.reason + ": " + error.message);
  }
});`;

const PAGE = `<!doctype html><meta charset="utf-8"><input type="file" id="file">
<p id="stages"></p><p id="name"></p><pre id="text"></pre><p id="error"></p><script type="module" src="/app.js"></script>`;

let site: Site;
let allowed: string;
let stranger: string;
const pages: Server[] = [];

/** Serves the page at an origin of its own. */
async function startPages(port: number, script: string): Promise<string> {
  const server = createServer((request, response) => {
    const isScript = request.url === "/app.js";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? script : PAGE);
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  pages.push(server);
  return `http://127.0.0.1:${port}`;
}

beforeAll(async () => {
  findChromium();
  const bundle = await build({
    stdin: { contents: PAGE_SCRIPT, resolveDir: ROOT, loader: "js" },
    bundle: true,
    format: "esm",
    platform: "browser",
    conditions: ["browser"],
    write: false,
  });
  const script = bundle.outputFiles[0]?.text ?? "";
  allowed = await startPages(await freePort(), script);
  stranger = await startPages(await freePort(), script);
  site = await createSite({ env: { SLUICE_CORS_ORIGINS: `https://app.example.org,${allowed}` } });
  await site.serve();
}, 300_000);

afterAll(async () => {
  for (const server of pages) server.close();
  await site?.[Symbol.asyncDispose]();
});

async function choose(page: Page, origin: string, path: string): Promise<void> {
  const settings = new URLSearchParams({ url: site.url, key: site.apiKey() });
  await page.goto(`${origin}/#${settings}`);
  await page.setInputFiles("#file", path);
}

test("a page of an allowed origin turns a file into text and follows it on the way", async () => {
  await using browser = await openBrowser();
  const page = await browser.context.newPage();
  await choose(page, allowed, writeInto(site, "Brief an Zoë.md", "# Grüße\n\nAus dem **Browser**.\n"));
  await page.waitForFunction(
    () =>
      document.querySelector("#name")?.textContent !== "" ||
      document.querySelector("#error")?.textContent !== "",
  );
  const shown = async (id: string) => (await page.textContent(`#${id}`)) ?? "";
  expect(await shown("error")).toBe("");
  expect(await shown("name")).toBe("Brief an Zoë.md");
  expect(await shown("text")).toMatch(/Grüße\s+Aus dem Browser\./);
  expect(await shown("stages")).toBe("fetch detect extract normalize enrich chunk quality");
});

test("a file that is too large for a request is uploaded to the address that the server gives", async () => {
  await using browser = await openBrowser();
  const page = await browser.context.newPage();
  const puts: string[] = [];
  page.on("request", (request) => {
    if (request.method() === "PUT") puts.push(request.url());
  });
  const text = longText(1_500_000);
  await choose(page, allowed, writeInto(site, "large.txt", text));
  await page.waitForFunction(
    () =>
      document.querySelector("#name")?.textContent !== "" ||
      document.querySelector("#error")?.textContent !== "",
  );
  expect(await page.textContent("#error")).toBe("");
  expect((await page.textContent("#text"))?.trim()).toBe(text.trim());
  expect(puts).toHaveLength(1);
  expect(puts[0]).toContain(`${site.url}/files/`);
});

test("a page of any other origin gets nothing", async () => {
  await using browser = await openBrowser();
  const page = await browser.context.newPage();
  const before = (await site.client().jobs.listJobs({})).jobs.length;
  await choose(page, stranger, writeInto(site, "secret.txt", "Not for strangers."));
  await page.waitForFunction(() => document.querySelector("#error")?.textContent !== "");
  expect(await page.textContent("#error")).toMatch(/^SluiceError (UNREACHABLE|CONNECTION_LOST): /);
  expect(await page.textContent("#text")).toBe("");
  expect((await site.client().jobs.listJobs({})).jobs).toHaveLength(before);
});
