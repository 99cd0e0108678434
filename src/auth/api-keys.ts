import { createHash } from "node:crypto";
import type { Auditor } from "../audit/auditor.ts";
import type { Database, ScopedTransaction } from "../db/sql.ts";
import { type Caller, ownScope, scopeOf } from "../lib/caller.ts";
import type { Clock } from "../lib/clock.ts";
import { InvalidRequestError } from "../lib/errors.ts";
import { makeApiKey } from "./api-key-format.ts";
import { findApiKeyByRequest, insertApiKey, listApiKeys, revokeApiKey } from "./api-key-queries.ts";
import { notifyChange } from "./change-queries.ts";
import {
  ApiKeyNotFoundError,
  PermissionTooWideError,
  RequestIdReusedError,
  UserNotFoundError,
} from "./errors.ts";
import type { ApiKey } from "./model.ts";
import { beyond } from "./permissions.ts";
import { findUser } from "./user-queries.ts";

const DAY_MS = 86_400_000;
const DEFAULT_LIFETIME_MS = 90 * DAY_MS;
export const MAX_LIFETIME_MS = 365 * DAY_MS;
/** For the way of a request that asks for exactly one year. */
const LIFETIME_SLACK_MS = 60_000;

export interface CreateApiKey {
  readonly name: string;
  readonly permissions: readonly string[];
  /** Null = in 90 days, or when the key that makes it ends. */
  readonly expireTime: Date | null;
  /** Empty = none. */
  readonly requestId: string;
}

export interface ApiKeyVerbs {
  /**
   * Makes a key no wider than the credential that asks: neither in permissions nor, if that is a key, in time.
   * `secret` is empty for a repeated `requestId`.
   * @throws InvalidRequestError, PermissionTooWideError, RequestIdReusedError
   */
  createApiKey(
    caller: Caller,
    request: CreateApiKey,
  ): Promise<{ readonly key: ApiKey; readonly secret: string }>;
  listApiKeys(
    caller: Caller,
    page: { readonly includeInactive: boolean; readonly beforeId: string; readonly limit: number },
  ): Promise<ApiKey[]>;
  /** Revokes for ever; again changes nothing. @throws ApiKeyNotFoundError */
  revokeApiKey(caller: Caller, id: string): Promise<ApiKey>;
}

export interface ApiKeysDeps {
  readonly db: Database;
  readonly audit: Auditor;
  readonly clock: Clock;
  /** Puts a revocation into force in this process at once. */
  readonly onChange: (change: string) => void;
}

export function createApiKeyVerbs({ db, audit, clock, onChange }: ApiKeysDeps): ApiKeyVerbs {
  return {
    async createApiKey(caller, request) {
      const expiresAt = expiryOf(caller, request.expireTime, clock.now());
      const permissions = [...new Set(request.permissions)].sort();
      const tooWide = beyond(permissions, caller.permissions);
      if (tooWide.length > 0) {
        throw new PermissionTooWideError(`this credential does not hold ${tooWide.join(", ")}`, {
          permissions: tooWide.join(","),
        });
      }
      const made = makeApiKey();
      const requestId = request.requestId || null;
      const requestHash = requestId && hashRequest(request.name, permissions, request.expireTime);
      const row = {
        ...made,
        name: request.name,
        ownerId: caller.userId,
        permissions,
        expiresAt,
        requestId,
        requestHash,
      };
      return await db.beginScoped(ownScope(caller), async (tx) => {
        if (!(await findUser(tx, caller.userId))) throw new UserNotFoundError(caller.email);
        const key = await insertApiKey(tx, row);
        if (!key) return { key: await repeated(tx, requestId ?? "", requestHash), secret: "" };
        await audit.record(tx, caller, {
          action: "api_keys.create",
          resourceType: "api_key",
          resourceId: key.id,
          details: { name: key.name, permissions, expire_time: key.expiresAt },
        });
        return { key, secret: made.text };
      });
    },

    async listApiKeys(caller, page) {
      return await listApiKeys(db.scoped(scopeOf(caller, "api_keys:read")), page);
    },

    async revokeApiKey(caller, id) {
      const scope = scopeOf(caller, "api_keys:delete");
      const { key, changed } = await db.beginScoped(scope, async (tx) => {
        const revoked = await revokeApiKey(tx, id);
        if (!revoked) throw new ApiKeyNotFoundError(id);
        if (revoked.changed) {
          await audit.record(tx, caller, {
            action: "api_keys.revoke",
            resourceType: "api_key",
            resourceId: id,
          });
          await notifyChange(tx, { kind: "key", id });
        }
        return revoked;
      });
      if (changed) onChange(`key:${id}`);
      return key;
    },
  };
}

async function repeated(
  tx: ScopedTransaction,
  requestId: string,
  requestHash: string | null,
): Promise<ApiKey> {
  const first = await findApiKeyByRequest(tx, requestId);
  if (!first || first.requestHash !== requestHash) throw new RequestIdReusedError(requestId);
  const { requestHash: _, ...key } = first;
  return key;
}

function hashRequest(name: string, permissions: readonly string[], expireTime: Date | null): string {
  const text = JSON.stringify([name, permissions, expireTime]);
  return createHash("sha256").update(text).digest("base64url");
}

/** A key that makes keys could otherwise live on in them for ever. */
function expiryOf(caller: Caller, asked: Date | null, now: number): Date {
  const makerEnd =
    caller.credential === "api_key" ? (caller.expireTime?.getTime() ?? now) : Number.POSITIVE_INFINITY;
  if (!asked) return new Date(Math.min(now + DEFAULT_LIFETIME_MS, makerEnd));
  const time = asked.getTime();
  if (!(time > now))
    throw new InvalidRequestError([{ field: "expire_time", description: "must be in the future" }]);
  if (time > now + MAX_LIFETIME_MS + LIFETIME_SLACK_MS) {
    throw new InvalidRequestError([
      { field: "expire_time", description: "must be within one year from now" },
    ]);
  }
  if (time > makerEnd) {
    throw new PermissionTooWideError("a key made with a key ends no later than that one", {
      expire_time: new Date(makerEnd).toISOString(),
    });
  }
  return asked;
}
