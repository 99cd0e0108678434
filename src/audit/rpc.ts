import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  AuditService as AuditServiceDesc,
  type ExportAuditLogsResponseSchema,
} from "../../gen/sluice/v1/audit_pb.ts";
import { scopeOf } from "../lib/caller.ts";
import { callerOf } from "../rpc/context.ts";
import { type Cursor, InvalidPageTokenError, type PageTokens, pageSize } from "../rpc/pages.ts";
import { registerService } from "../rpc/service.ts";
import {
  entryToMessage,
  filterFromMessage,
  formatFromMessage,
  rangeFromMessage,
  verdictToMessage,
} from "./convert.ts";
import type { EntryKey } from "./entries.ts";
import type { AuditService } from "./service.ts";

/** The handlers of AuditService. */
export const auditRoutes = (audit: AuditService, pages: PageTokens) =>
  registerService(AuditServiceDesc, {
    async listAuditLogs(request, context) {
      const caller = callerOf(context);
      const limit = pageSize(request.pageSize);
      const filter = filterFromMessage(request);
      const list = { list: "audit_logs", ...scopeOf(caller, "audit:read"), ...filter };
      const after = keyOf(pages.decode(list, request.pageToken));
      const found = await audit.list(caller, filter, { limit: limit + 1, after });
      const page = found.slice(0, limit);
      const last = page.at(-1);
      return {
        auditLogs: page.map(entryToMessage),
        nextPageToken:
          found.length > limit && last ? pages.encode(list, [last.timestamp.getTime(), last.id]) : "",
      };
    },

    async *exportAuditLogs(request, context) {
      const { signal } = context;
      const filter = filterFromMessage(request);
      for await (const chunk of audit.export(
        callerOf(context),
        filter,
        formatFromMessage(request.format),
        signal,
      )) {
        signal.throwIfAborted();
        yield { chunk: Uint8Array.from(chunk) } satisfies MessageInitShape<
          typeof ExportAuditLogsResponseSchema
        >;
      }
    },

    async verifyAuditLog(request, context) {
      const range = rangeFromMessage(request);
      return verdictToMessage(await audit.verify(callerOf(context), range, context.signal));
    },

    getAuditKey() {
      const { pem, fingerprint } = audit.publicKey();
      return { publicKey: pem, fingerprint };
    },
  });

function keyOf(cursor: Cursor | null): EntryKey | null {
  if (cursor === null) return null;
  const [ms, id] = cursor;
  if (typeof ms !== "number" || typeof id !== "string") throw new InvalidPageTokenError();
  return { timestamp: new Date(ms), id };
}
