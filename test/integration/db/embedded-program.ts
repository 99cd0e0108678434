import postgres from "postgres";
import type { IdentityKind } from "../../../src/db/embedded/identity.ts";
import { startEmbeddedPostgres } from "../../../src/db/embedded.ts";

// A program that owns a database: prints one JSON line when it is ready, then one for every acknowledged row.
const [dataDir = "", mode = "", ...identities] = process.argv.slice(2);
const say = (fields: object): boolean => process.stdout.write(`${JSON.stringify(fields)}\n`);

try {
  const server = await startEmbeddedPostgres({
    dataDir,
    ...(process.env.TEST_CACHE_DIR ? { cacheDir: process.env.TEST_CACHE_DIR } : {}),
    ...(identities.length > 0 ? { identities: identities as IdentityKind[] } : {}),
  });
  const { url, pid, initialized } = server;
  say({ ready: true, url, pid, initialized, uid: process.getuid?.() });
  if (mode === "exit") process.exit(0);
  if (mode === "stop") await server.stop();
  if (mode === "insert") {
    const sql = postgres(url, { max: 1 });
    await sql`create table if not exists acked (n int primary key)`;
    for (let n = 1; ; n++) {
      await sql`insert into acked values (${n})`;
      say({ acked: n });
    }
  }
  if (mode === "hold") setInterval(() => {}, 60_000);
} catch (error) {
  say({ error: (error as Error).name, message: (error as Error).message });
  process.exitCode = 1;
}
