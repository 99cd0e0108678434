import { expect, test } from "vitest";
import { Health } from "../../../gen/grpc/health/v1/health_pb.ts";
import { AuditService } from "../../../gen/sluice/v1/audit_pb.ts";
import { AuthService } from "../../../gen/sluice/v1/auth_pb.ts";
import { JobsService } from "../../../gen/sluice/v1/jobs_pb.ts";
import { PipelinesService } from "../../../gen/sluice/v1/pipelines_pb.ts";
import { SystemService } from "../../../gen/sluice/v1/system_pb.ts";
import { WebhooksService } from "../../../gen/sluice/v1/webhooks_pb.ts";
import { accessRules } from "../../../src/rpc/gate.ts";
import { registerService } from "../../../src/rpc/service.ts";

test("a service with a method that does not say who may call it is not taken, and every such method is named", () => {
  expect(() => accessRules([registerService(Health, {})])).toThrow(
    "grpc.health.v1.Health/Check, grpc.health.v1.Health/Watch, grpc.health.v1.Health/List",
  );
});

test("a service of others is open only with a reason", () => {
  const rules = accessRules([registerService(Health, {}, { publicBecause: "probes" })]);
  expect(rules.get("grpc.health.v1.Health/Check")).toEqual({ public: "probes" });
});

test("every method of the contract says who may call it", () => {
  const services = [AuditService, AuthService, JobsService, PipelinesService, SystemService, WebhooksService];
  const rules = accessRules(services.map((service) => registerService(service, {})));
  expect(rules.size).toBe(services.reduce((sum, { methods }) => sum + methods.length, 0));
  expect(rules.get("sluice.v1.JobsService/CreateJob")).toEqual({ permission: "jobs:create" });
  expect(rules.get("sluice.v1.AuthService/Login")).toMatchObject({ public: expect.any(String) });
});
