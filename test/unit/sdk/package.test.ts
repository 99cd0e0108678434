import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { expect, test } from "vitest";
import { startServer } from "./server.ts";

const run = promisify(execFile);
const root = process.cwd();

test("the packed package installs elsewhere, runs in Node, type-checks, and bundles for a browser", async () => {
  await using server = await startServer();
  const folder = await mkdtemp(join(tmpdir(), "sluice-pack-"));
  try {
    // Packed in a copy: packing swaps package.json for a moment.
    for (const part of ["sdk", "gen", "tsconfig.json", "package.json"]) {
      const filter = (path: string) => !/sdk\/(dist|node_modules)$/.test(path);
      await cp(join(root, part), join(folder, "checkout", part), { recursive: true, filter });
    }
    await symlink(join(root, "node_modules"), join(folder, "checkout/node_modules"));
    const before = await readFile(join(folder, "checkout/sdk/package.json"), "utf8");
    await run("npm", ["pack", "--pack-destination", folder], { cwd: join(folder, "checkout/sdk") });
    expect(await readFile(join(folder, "checkout/sdk/package.json"), "utf8")).toBe(before);

    const tarball = (await readdir(folder)).find((name) => name.endsWith(".tgz"))!;
    const home = join(folder, "app/node_modules/@sluice/sdk");
    await mkdir(home, { recursive: true });
    await run("tar", ["-xzf", join(folder, tarball), "--strip-components=1", "-C", home]);
    for (const scope of ["@connectrpc", "@bufbuild", "@types", "undici-types"]) {
      await symlink(join(root, "node_modules", scope), join(folder, "app/node_modules", scope));
    }
    const { dependencies } = JSON.parse(await readFile(join(home, "package.json"), "utf8"));
    expect(Object.keys(dependencies).every((name) => /^@(connectrpc|bufbuild)\//.test(name))).toBe(true);

    await writeFile(join(folder, "app/package.json"), '{"type":"module"}');
    const program = `
      import { createSluice, type Job, SluiceError } from "@sluice/sdk";
      import { verifyWebhook } from "@sluice/sdk/webhooks";
      const sluice = createSluice({ url: ${JSON.stringify(server.url)} });
      const outcome = await sluice.jobs.run({ text: "packed" });
      const job: Job = outcome.job;
      const lost = await sluice.jobs.get("0").catch((error: unknown) => error instanceof SluiceError && error.reason);
      const refused = await verifyWebhook({}, "", "whsec_").catch((error: unknown) => error instanceof TypeError);
      console.log(job.pipelineName, await outcome.text(), lost, refused);`;
    await writeFile(join(folder, "app/main.ts"), program);
    const { stdout } = await run(process.execPath, [join(folder, "app/main.ts")]);
    expect(stdout.trim()).toBe("default packed JOB_NOT_FOUND true");

    const options = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2024", "--types", "node"];
    const tsc = join(root, "node_modules/typescript-7/bin/tsc");
    await run(process.execPath, [tsc, ...options, "main.ts"], { cwd: join(folder, "app") });

    const bundle = await build({
      entryPoints: [join(folder, "app/main.ts")],
      absWorkingDir: join(folder, "app"),
      bundle: true,
      format: "esm",
      platform: "browser",
      minify: true,
      write: false,
      metafile: true,
    });
    expect(Object.keys(bundle.metafile.inputs).filter((path) => /connect-node|^node:/.test(path))).toEqual(
      [],
    );
    expect(bundle.outputFiles[0]!.text).not.toMatch(/from"(node:|http2)/);
    expect(bundle.outputFiles[0]!.contents.length).toBeLessThan(300_000);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}, 60_000);
