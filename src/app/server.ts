import { type Auth, createAuth } from "../auth/auth.ts";
import { startFailure } from "../database.ts";
import { createCleanup } from "../lib/cleanup.ts";
import { removeServerFile, writeServerFile } from "../server-file.ts";
import type { Worker } from "../worker/worker.ts";
import { startCallAudit } from "./audit.ts";
import { failureOf, startCore } from "./core.ts";
import { startRpc } from "./rpc-server.ts";
import type { Running, StartOptions } from "./start.ts";
import { startWorker } from "./worker.ts";

export interface RunningServer extends Running {
  readonly url: string;
  readonly auth: Auth;
  readonly embedded: boolean;
  readonly worker: boolean;
}

/** Starts the API and, unless told otherwise, a worker. On failure nothing half-started stays behind. */
export async function startServer(options: StartOptions & { worker: boolean }): Promise<RunningServer> {
  const { config, logger } = options;
  const cleanup = createCleanup(logger);
  try {
    const core = await startCore(options, "server", cleanup);
    const auth = await createAuth({
      db: core.db,
      config: { ...config, adminPassword: config.adminPassword?.reveal() ?? null },
      masterKey: core.masterKey,
      egress: core.egress,
      logger,
      clock: core.clock,
    });
    cleanup.add("auth", () => auth.stop());
    const callAudit = await startCallAudit(core, cleanup);
    let worker: Worker | null = null;
    // Side by side: document processes load while the edge plans its rules. Both are waited for, so that what
    // one has started is known when the other has failed.
    const [working, serving] = await Promise.allSettled([
      options.worker ? startWorker(core, options.stages ?? [], cleanup) : null,
      startRpc(core, auth, callAudit, async () => worker?.check(), cleanup),
    ]);
    if (serving.status === "rejected") throw serving.reason;
    if (working.status === "rejected") throw working.reason;
    const server = serving.value;
    worker = working.value;
    const url = core.publicUrl.current;
    await writeServerFile(config.dataDir, { url, pid: process.pid, databaseUrl: core.databaseUrl });
    cleanup.add("server file", () => removeServerFile(config.dataDir));
    return {
      url,
      auth,
      embedded: core.embedded !== null,
      worker: options.worker,
      failed: failureOf(core),
      // Both stop taking work first; what they run ends side by side. The cleanup says which did not stop in good order,
      // and ends the rest, the embedded database above all.
      async stop() {
        await Promise.allSettled([worker?.stop(), server.stop(config.graceMs)]);
        await cleanup.run();
      },
    };
  } catch (error) {
    await cleanup.run();
    throw await startFailure(error, options.database);
  }
}
