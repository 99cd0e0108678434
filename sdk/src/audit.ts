import type { CallOptions, Methods } from "./calls.ts";
import type {
  AuditExportFormat,
  AuditLog,
  AuditService,
  ExportAuditLogsRequest,
  ListAuditLogsRequest,
} from "./types.ts";

/** What entries of the audit log are asked for; every part that is set must hold. */
export type AuditFilter = Partial<Omit<ExportAuditLogsRequest, "$typeName" | "$unknown" | "format">>;

/** The audit log: its RPCs, and what is easier than they are. */
export type Audit = Methods<typeof AuditService> & {
  /** All entries that a filter finds, newest first, page by page as the loop asks for them. */
  list(
    filter?: AuditFilter & Partial<Pick<ListAuditLogsRequest, "pageSize">>,
    options?: CallOptions,
  ): AsyncGenerator<AuditLog, void, undefined>;
  /** The same entries as the bytes of a file, oldest first; in constant memory. Leaving the loop ends the call. */
  export(
    filter?: AuditFilter & { readonly format?: AuditExportFormat | undefined },
    options?: CallOptions,
  ): AsyncGenerator<Uint8Array, void, undefined>;
};

export function createAudit(methods: Methods<typeof AuditService>): Audit {
  return {
    ...methods,
    async *list(filter = {}, options = {}) {
      for (let pageToken = ""; ; ) {
        const page = await methods.listAuditLogs({ ...filter, pageToken }, options);
        yield* page.auditLogs;
        if (!page.nextPageToken) return;
        pageToken = page.nextPageToken;
      }
    },
    async *export({ format, ...filter } = {}, options = {}) {
      const request = { ...filter, ...(format !== undefined && { format }) };
      for await (const { chunk } of methods.exportAuditLogs(request, options)) yield chunk;
    },
  };
}
