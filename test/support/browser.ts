import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { type BrowserContext, chromium } from "playwright-core";
import { isRoot } from "./processes.ts";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
const MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";
const INSTALL_MS = 4 * 60_000;
/** Of each wait: the first page of a new profile takes long on a machine that has other work. */
const WAIT_MS = 120_000;

function installed(): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const paths = folders.flatMap((folder) => NAMES.map((name) => join(folder, name)));
  return [...paths, MAC].find((path) => existsSync(path));
}

/** Installs Chromium where that is how things are done: as root, on a system with apt. */
function install(): void {
  if (!isRoot || !existsSync("/usr/bin/apt-get")) return;
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const apt = (...args: string[]) =>
    execFileSync("apt-get", ["-qq", "-o", "DPkg::Lock::Timeout=60", ...args], {
      env,
      stdio: "ignore",
      timeout: INSTALL_MS,
    });
  try {
    apt("update");
    apt("install", "-y", "--no-install-recommends", "chromium");
  } catch {
    // What is missing is told by the caller, whatever the reason.
  }
}

/** The Chromium of this machine, installed first if need be. @throws saying what to install */
export function findChromium(): string {
  const found = process.env.CHROMIUM_PATH ?? installed();
  if (found) return found;
  install();
  const fresh = installed();
  if (fresh) return fresh;
  throw new Error(
    "This test needs Chromium, and there is none on the PATH. Install it (Debian: `apt-get install chromium`), or name it in CHROMIUM_PATH.",
  );
}

/** A browser without a window, with a profile of its own that goes with it. */
export async function openBrowser(): Promise<{ context: BrowserContext } & AsyncDisposable> {
  const profile = await mkdtemp(join(tmpdir(), "sluice-browser-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: findChromium(),
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--no-first-run",
    ],
  });
  context.setDefaultTimeout(WAIT_MS);
  // What a page that does not get on was told, for whoever reads why its test failed.
  const tell = (what: string): void => void process.stdout.write(`browser: ${what}\n`);
  context.on("console", (message) => tell(message.text()));
  context.on("weberror", (error) => tell(String(error.error())));
  context.on("requestfailed", (request) => tell(`${request.url()}: ${request.failure()?.errorText}`));
  return {
    context,
    async [Symbol.asyncDispose]() {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}
