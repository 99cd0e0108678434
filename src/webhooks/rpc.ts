import { WebhooksService as WebhooksServiceDesc } from "../../gen/sluice/v1/webhooks_pb.ts";
import { dateOf, millisecondsOf } from "../lib/wire-time.ts";
import { callerOf } from "../rpc/context.ts";
import { idCursor } from "../rpc/id-cursor.ts";
import { type PageTokens, pageSize } from "../rpc/pages.ts";
import { registerService } from "../rpc/service.ts";
import { deliveryToMessage, eventTypeToMessage, statusFromMessage, webhookToMessage } from "./convert.ts";
import { EVENT_TYPES } from "./event-types.ts";
import type { WebhooksService } from "./service.ts";

/** The handlers of WebhooksService. */
export const webhookRoutes = ({ webhooks, pages }: { webhooks: WebhooksService; pages: PageTokens }) =>
  registerService(WebhooksServiceDesc, {
    async createWebhook(request, context) {
      const { url, events, description, headers, ordered, requestId } = request;
      const wanted = { url, events, description, headers, isOrdered: ordered, requestId };
      const { webhook, secret } = await webhooks.create(callerOf(context), wanted);
      return { webhook: webhookToMessage(webhook), secret };
    },

    async getWebhook({ id }, context) {
      const { webhook, pendingCount } = await webhooks.get(callerOf(context), id.toLowerCase());
      return { webhook: webhookToMessage(webhook, pendingCount) };
    },

    async listWebhooks(request, context) {
      const limit = pageSize(request.pageSize);
      const isActive = request.isActive ?? null;
      const list = { list: "webhooks", userId: callerOf(context).userId, isActive };
      const beforeId = idCursor(pages.decode(list, request.pageToken));
      const found = await webhooks.list(callerOf(context), { isActive, limit: limit + 1, beforeId });
      const page = found.slice(0, limit);
      const last = page.at(-1);
      return {
        webhooks: page.map((webhook) => webhookToMessage(webhook)),
        nextPageToken: found.length > limit && last ? pages.encode(list, [last.id]) : "",
      };
    },

    async updateWebhook(request, context) {
      const { id, expectedVersion, url, events, description, headers } = request;
      const { isActive = null, ordered: isOrdered = null } = request;
      const wanted = { url, events, description, headers, isActive, isOrdered };
      const webhook = await webhooks.update(callerOf(context), id.toLowerCase(), expectedVersion, wanted);
      return { webhook: webhookToMessage(webhook) };
    },

    async deleteWebhook({ id, expectedVersion }, context) {
      await webhooks.delete(callerOf(context), id.toLowerCase(), expectedVersion);
      return {};
    },

    async rotateWebhookSecret({ id, overlap }, context) {
      const { webhook, secret } = await webhooks.rotateSecret(
        callerOf(context),
        id.toLowerCase(),
        millisecondsOf(overlap),
      );
      return { webhook: webhookToMessage(webhook), secret };
    },

    async sendTestEvent({ webhookId }, context) {
      const delivery = await webhooks.sendTest(callerOf(context), webhookId.toLowerCase());
      return { delivery: deliveryToMessage(delivery) };
    },

    async listDeliveries(request, context) {
      const limit = pageSize(request.pageSize);
      const filter = {
        webhookId: request.webhookId.toLowerCase() || null,
        jobId: request.jobId.toLowerCase() || null,
        status: statusFromMessage(request.status),
        eventType: request.eventType,
        since: dateOf(request.since),
        until: dateOf(request.until),
      };
      const list = {
        list: "deliveries",
        userId: callerOf(context).userId,
        ...filter,
        since: filter.since?.getTime() ?? null,
        until: filter.until?.getTime() ?? null,
      };
      const beforeId = idCursor(pages.decode(list, request.pageToken));
      const found = await webhooks.deliveries(callerOf(context), filter, { limit: limit + 1, beforeId });
      const page = found.slice(0, limit);
      const last = page.at(-1);
      return {
        deliveries: page.map((delivery) => deliveryToMessage(delivery)),
        nextPageToken: found.length > limit && last ? pages.encode(list, [last.id]) : "",
      };
    },

    async getDelivery({ id }, context) {
      const { delivery, attempts } = await webhooks.delivery(callerOf(context), id.toLowerCase());
      return { delivery: deliveryToMessage(delivery, { payload: delivery.payload, attempts }) };
    },

    async redeliver({ id }, context) {
      const delivery = await webhooks.redeliver(callerOf(context), id.toLowerCase());
      return { delivery: deliveryToMessage(delivery) };
    },

    async replayDeliveries({ webhookId, since, until, onlyFailed }, context) {
      const count = await webhooks.replay(callerOf(context), {
        webhookId: webhookId.toLowerCase(),
        since: dateOf(since) ?? new Date(0),
        until: dateOf(until),
        onlyFailed,
      });
      return { count: BigInt(count) };
    },

    async listEventTypes() {
      return { eventTypes: EVENT_TYPES.map(eventTypeToMessage) };
    },
  });
