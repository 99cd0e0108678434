import { type Book, insist } from "./book.ts";
import type { Fleet } from "./fleet.ts";

/**
 * Runs jobs again that were set aside because three of their workers were lost: under so many faults that happens to
 * jobs without guilt, and an operator would do the same. Any other failure stands, and is a breach at the end.
 */
export async function retryQuarantined(fleet: Fleet, book: Book): Promise<void> {
  const aside = await fleet.postgres.ask(
    (sql) => sql<{ id: string }[]>`select id from jobs
      where status = 'FAILED' and error->>'reason' = 'QUARANTINED'`,
  );
  for (const { id } of aside) {
    book.retries.add(id);
    await insist(book, `retry of ${id}`, () => fleet.client(0, 0).jobs.retryJob({ id }), [
      "JOB_NOT_RETRYABLE",
    ]);
  }
}
