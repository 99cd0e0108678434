import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { verifyWebhook } from "@sluice/sdk/webhooks";
import type { Fleet } from "./fleet.ts";
import { comes } from "./recovery.ts";
import type { Count } from "./verdict.ts";

/** An endpoint that every owner's events are posted to, and what it got. */
export interface Hooks extends AsyncDisposable {
  /** Has all events of every owner posted here. */
  subscribe(fleet: Fleet): Promise<void>;
  /** Waits until nothing is left to be posted, for `ms` at most. */
  finish(fleet: Fleet, ms: number): Promise<void>;
  /** What is missing, and what should not have come. */
  judge(fleet: Fleet): Promise<Count[]>;
}

export async function startHooks(): Promise<Hooks> {
  const secrets: string[] = [];
  const attempts = new Map<string, number>();
  const complaints: string[] = [];
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on("error", () => {});
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", async () => {
      const id = String(request.headers["webhook-id"]);
      try {
        await verifyWebhook(request.headers as Record<string, string>, Buffer.concat(pieces), secrets);
      } catch (error) {
        complaints.push(`${id}: ${error}`);
      }
      const count = (attempts.get(id) ?? 0) + 1;
      attempts.set(id, count);
      // Some are taken at the second attempt only.
      response.writeHead(count === 1 && id.endsWith("0") ? 500 : 204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;

  return {
    async subscribe(fleet) {
      for (const owner of fleet.keys.keys()) {
        const { secret } = await fleet.client(0, owner).webhooks.createWebhook({ url, events: ["job.*"] });
        secrets.push(secret);
      }
    },

    async finish(fleet, ms) {
      await comes(async () => {
        const waiting = await fleet.postgres.ask(
          (sql) => sql`select from webhook_deliveries where status = 'PENDING' limit 1`,
        );
        return waiting.length === 0;
      }, ms);
    },

    async judge(fleet) {
      const changes = await fleet.postgres.ask(
        (sql) => sql<{ event: string; id: string | null; status: string | null }[]>`
          select e.job_id || ' ' || e.sequence as event, d.id, d.status
          from job_events e left join webhook_deliveries d on d.job_id = e.job_id and d.sequence = e.sequence
          where e.type = 'status_changed' and e.payload->>'status' <> 'CANCELLING'
            and (e.payload->>'status' <> 'CREATED' or e.payload->>'previousStatus' is null)`,
      );
      const deliveries = await fleet.postgres.ask(
        (sql) => sql<{ id: string }[]>`select id from webhook_deliveries`,
      );
      const known = new Set(deliveries.map(({ id }) => id));
      const breach = (name: string, breaches: string[]): Count => ({
        name,
        count: breaches.length,
        breaches,
      });
      return [
        { name: "webhooks posted", count: attempts.size },
        { name: "webhooks posted more than once", count: [...attempts.values()].filter((n) => n > 1).length },
        breach(
          "changes of a job without exactly one webhook",
          [...Map.groupBy(changes, ({ event }) => event)]
            .filter(([, of]) => of.length !== 1 || of[0]?.id === null)
            .map(([event, of]) => `${event}: ${of.filter(({ id }) => id).length}`),
        ),
        breach(
          "webhooks that no change of a job belongs to",
          [...attempts.keys()].filter((id) => !known.has(id)),
        ),
        breach(
          "webhooks that did not arrive",
          changes.flatMap(({ id, status }) =>
            id && (status !== "DELIVERED" || !attempts.has(id)) ? [`${id}: ${status}`] : [],
          ),
        ),
        breach("webhooks that were not signed well", complaints),
      ];
    },

    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
