export type { Audit, AuditFilter } from "./audit.ts";
export type { CallOptions, Methods, RetryOptions } from "./calls.ts";
export type { Sluice } from "./client.ts";
export type { CredentialOptions, SessionTokens, TokenStore } from "./credentials.ts";
export type { Download, DownloadOptions, Format } from "./download.ts";
export {
  type ClientReason,
  JobFailedError,
  type ServerReason,
  type SluiceCode,
  SluiceError,
  type SluiceErrorInit,
  type SluiceReason,
} from "./errors.ts";
export type { JobOutcome, Jobs, RunOptions, SubmitOptions, WaitOptions } from "./jobs.ts";
export { type JobStatusName, jobStatusName } from "./names.ts";
export type { SluiceOptions } from "./platform.ts";
export type { ByteSource, DocumentInput, DocumentName } from "./sources.ts";
export type {
  CustomStage,
  CustomStageContext,
  CustomStageInput,
  CustomStageOutcome,
  DocumentBlock,
  DocumentChunk,
  Json,
} from "./stages.ts";
export * from "./types.ts";
export type { UploadOptions, UploadProgress, Uploads } from "./uploads.ts";
export { VERSION } from "./version.ts";
export { isFinal, type WatchOptions } from "./watch.ts";
export {
  type VerifiedWebhook,
  type VerifyWebhookOptions,
  verifyWebhook,
  type WebhookEndpoint,
  type WebhookEventType,
  type WebhookFault,
  type WebhookHeaders,
  type WebhookJob,
  type WebhookPayload,
  WebhookVerificationError,
} from "./webhooks.ts";
