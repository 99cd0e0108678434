import { getExtension } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { access } from "../../../gen/sluice/v1/access_pb.ts";
import { AuditService } from "../../../gen/sluice/v1/audit_pb.ts";
import { AuthService } from "../../../gen/sluice/v1/auth_pb.ts";
import { JobsService } from "../../../gen/sluice/v1/jobs_pb.ts";
import { PipelinesService } from "../../../gen/sluice/v1/pipelines_pb.ts";
import { SystemService } from "../../../gen/sluice/v1/system_pb.ts";
import { WebhooksService } from "../../../gen/sluice/v1/webhooks_pb.ts";
import {
  ALL_PERMISSIONS,
  BUILTIN_ROLES,
  beyond,
  intersect,
  permissionsOf,
} from "../../../src/auth/permissions.ts";

test("the permissions are exactly those that the contract asks for", () => {
  const services = [AuditService, AuthService, JobsService, PipelinesService, SystemService, WebhooksService];
  const asked = services
    .flatMap((service) => service.methods)
    .map((method) => getExtension(method.proto.options!, access).rule)
    .flatMap((rule) => (rule.case === "permission" ? [rule.value] : []));
  const own = ALL_PERMISSIONS.filter((permission) => !permission.endsWith(":any"));
  expect([...new Set(asked)].sort()).toEqual(own);
});

test("every permission fits into a key and into the contract's pattern", () => {
  expect(ALL_PERMISSIONS.length).toBeLessThanOrEqual(100);
  for (const permission of ALL_PERMISSIONS) expect(permission).toMatch(/^[a-z_]{1,40}:[a-z_]{1,40}(:any)?$/);
});

test("roles hold permissions that exist, and admin holds all", () => {
  expect([...BUILTIN_ROLES.keys()]).toEqual(["viewer", "developer", "operator", "auditor", "admin"]);
  for (const { permissions } of BUILTIN_ROLES.values())
    expect(ALL_PERMISSIONS).toEqual(expect.arrayContaining([...permissions]));
  expect(permissionsOf(["admin"], [])).toEqual(new Set(ALL_PERMISSIONS));
});

test("a developer touches only what is its own, and no one's account", () => {
  const developer = permissionsOf(["developer"], []);
  expect(
    [...developer].filter((permission) => /:any$|^(users|roles|audit|pipelines:(?!read))/.test(permission)),
  ).toEqual([]);
  expect(developer.has("jobs:create")).toBe(true);
  expect(permissionsOf(["viewer"], []).has("jobs:create")).toBe(false);
  expect(permissionsOf(["operator"], []).has("jobs:cancel:any")).toBe(true);
  expect(permissionsOf(["operator"], []).has("users:create")).toBe(false);
  expect([...permissionsOf(["auditor"], [])].filter((permission) => permission.startsWith("jobs"))).toEqual(
    [],
  );
});

test("unknown roles and unknown permissions give nothing", () => {
  expect(permissionsOf(["root", "__proto__", ""], ["jobs:everything", "*"]).size).toBe(0);
});

test("a key may do what it was given, as far as its owner may now", () => {
  const developer = permissionsOf(["developer"], []);
  expect(intersect(["jobs:read:any", "users:read"], developer)).toEqual(new Set(["jobs:read"]));
  expect(intersect(["jobs:read"], permissionsOf(["admin"], []))).toEqual(new Set(["jobs:read"]));
});

test("whoever holds the form for all may give the form for own, and not the other way round", () => {
  expect(beyond(["jobs:read"], new Set(["jobs:read:any"]))).toEqual([]);
  expect(beyond(["jobs:read:any"], new Set(["jobs:read"]))).toEqual(["jobs:read:any"]);
  expect(beyond(["jobs:everything"], new Set(["jobs:everything"]))).toEqual(["jobs:everything"]);
});
