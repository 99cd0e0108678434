export * from "../../gen/sluice/v1/audit_pb.ts";
export * from "../../gen/sluice/v1/auth_pb.ts";
export * from "../../gen/sluice/v1/error_reason_pb.ts";
export * from "../../gen/sluice/v1/jobs_pb.ts";
export * from "../../gen/sluice/v1/pipelines_pb.ts";
export * from "../../gen/sluice/v1/system_pb.ts";
export * from "../../gen/sluice/v1/webhooks_pb.ts";
