import { type DescMethod, getExtension, hasExtension } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { access } from "../../gen/sluice/v1/access_pb.ts";
import { type Caller, may } from "../lib/caller.ts";
import { PermissionDeniedError, SluiceError } from "../lib/errors.ts";
import { type Call, callOf, type Peer } from "./context.ts";
import type { RateLimits } from "./rates/rate-limits.ts";
import type { ServiceRegistration } from "./service.ts";

/** Finds out who calls, from the headers alone. Throws a `SluiceError` of kind `unauthenticated` if it cannot. */
export type Authenticate = (headers: Headers, peer: Peer) => Promise<Caller>;

/** Who may call a method. */
export type AccessRule =
  | { readonly permission: string; readonly public?: undefined }
  | { readonly public: string; readonly permission?: undefined };

class CredentialsConflictError extends SluiceError {
  override name = "CredentialsConflictError";
  readonly kind = "unauthenticated";
  readonly reason = "CREDENTIALS_CONFLICT";
  constructor() {
    super("The call carries more than one credential; send exactly one authorization or x-api-key header.");
  }
}

/** The full name of a method, as in logs and metrics: `sluice.v1.JobsService/CreateJob`. */
export function methodName(method: DescMethod): string {
  return `${method.parent.typeName}/${method.name}`;
}

/**
 * The access rule of every method of the services.
 * @throws Error naming all methods that have none: the server must not start with them
 */
export function accessRules(services: readonly ServiceRegistration[]): ReadonlyMap<string, AccessRule> {
  const rules = new Map<string, AccessRule>();
  const missing: string[] = [];
  for (const { service, publicBecause } of services) {
    for (const method of service.methods) {
      const rule = publicBecause ? { public: publicBecause } : declaredRule(method);
      if (rule) rules.set(methodName(method), rule);
      else missing.push(methodName(method));
    }
  }
  if (missing.length > 0) {
    throw new Error(
      `These methods do not say who may call them: ${missing.join(", ")}. Give each the option (sluice.v1.access).`,
    );
  }
  return rules;
}

function declaredRule(method: DescMethod): AccessRule | undefined {
  const options = method.proto.options;
  if (!options || !hasExtension(options, access)) return undefined;
  const { rule } = getExtension(options, access);
  if (!rule.case || !rule.value) return undefined;
  return rule.case === "permission" ? { permission: rule.value } : { public: rule.value };
}

/**
 * The check that every call passes on its headers, before its body is read: lets anonymous callers into public
 * methods only, and others where their permissions reach; none of them more often than the rates allow. Puts the caller
 * into the call.
 */
export function createGate(
  rules: ReadonlyMap<string, AccessRule>,
  authenticate: Authenticate,
  rates?: Pick<RateLimits, "ofAddress" | "ofUser">,
): (context: HandlerContext) => Promise<void> {
  return async (context) => {
    const call = callOf(context);
    const tooManyOfAddress = rates?.ofAddress(call.peer.ipAddress);
    if (tooManyOfAddress) throw tooManyOfAddress;
    const rule = rules.get(methodName(context.method));
    if (!rule) throw new PermissionDeniedError("(none; the method is not open to anybody)");
    if (rule.permission === undefined) {
      call.caller = anonymous(call);
      return;
    }
    if (call.credentialHeaders > 1) throw new CredentialsConflictError();
    const caller = { ...(await authenticate(context.requestHeader, call.peer)), trail: call.peer.trail };
    call.caller = caller;
    const tooManyOfUser = rates?.ofUser(caller.userId);
    if (tooManyOfUser) throw tooManyOfUser;
    if (!may(caller, rule.permission)) throw new PermissionDeniedError(rule.permission);
  };
}

function anonymous({ peer }: Call): Caller {
  return {
    userId: "",
    email: "",
    credential: "none",
    credentialId: "",
    permissions: new Set(),
    expireTime: null,
    ...peer,
  };
}
