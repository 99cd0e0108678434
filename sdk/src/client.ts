import { type Audit, createAudit } from "./audit.ts";
import { createMethods, type Methods } from "./calls.ts";
import { createCredentials } from "./credentials.ts";
import { createJobs, type Jobs } from "./jobs.ts";
import type { Platform, SluiceOptions } from "./platform.ts";
import { systemTiming } from "./timing.ts";
import {
  AuditService,
  AuthService,
  JobsService,
  PipelinesService,
  SystemService,
  WebhooksService,
} from "./types.ts";
import { createUploads, type Uploads } from "./uploads.ts";

/** A client of one server. It opens its connection with the first call. */
export interface Sluice {
  readonly jobs: Jobs;
  readonly documents: Omit<Uploads, "uploadBytes">;
  readonly pipelines: Methods<typeof PipelinesService>;
  readonly auth: Methods<typeof AuthService>;
  readonly audit: Audit;
  readonly webhooks: Methods<typeof WebhooksService>;
  readonly system: Methods<typeof SystemService>;
  /** Ends all calls and lets the process exit. */
  close(): void;
  [Symbol.dispose](): void;
}

const DEFAULT_TIMEOUT_MS = 30_000;

/** @throws TypeError if the options contradict each other or the address is not one */
export function createSluiceOn(platform: Platform, options: SluiceOptions): Sluice {
  const url = serverUrl(options.url);
  const connection = platform.connect({ ...options, url });
  const { transport, renew } = connection;
  const common = {
    transport,
    renew,
    timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    retry: options.retry ?? {},
    timing: systemTiming,
  };
  const anonymous = { header: async () => undefined, refused: () => false };
  const credentials = createCredentials(
    options,
    createMethods(AuthService, { ...common, credentials: anonymous }),
  );
  const deps = { ...common, credentials };
  const methods = createMethods(JobsService, deps);
  const { openPath } = platform;
  const { canStream, fetch } = connection;
  const uploads = createUploads({ methods, canStream, fetch, url, openPath });
  const { upload, get } = uploads;
  return {
    jobs: createJobs({ methods, uploads, openPath, timing: systemTiming }),
    documents: { upload, get },
    pipelines: createMethods(PipelinesService, deps),
    auth: createMethods(AuthService, deps),
    audit: createAudit(createMethods(AuditService, deps)),
    webhooks: createMethods(WebhooksService, deps),
    system: createMethods(SystemService, deps),
    close: () => connection.close(),
    [Symbol.dispose]: () => connection.close(),
  };
}

function serverUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new TypeError(
      `${JSON.stringify(text)} is not the address of a server; write it like http://127.0.0.1:8080.`,
    );
  }
  if (url.username || url.password)
    throw new TypeError("A credential does not belong into the address; use apiKey.");
  return url.href.replace(/\/$/, "");
}
