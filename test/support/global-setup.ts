import { startTestPostgres } from "./postgres.ts";

/**
 * Starts the one Postgres of a run; the processes that run the tests find it by their environment. A second
 * project in the same run shares it.
 */
export default async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env.SLUICE_TEST_RUN) return undefined;
  const server = await startTestPostgres();
  return async () => {
    await server.stop();
    delete process.env.SLUICE_TEST_RUN;
  };
}
