import type { Auditor } from "../audit/auditor.ts";
import type { Database, ScopedTransaction, Sql } from "../db/sql.ts";
import { type Caller, scopeOf } from "../lib/caller.ts";
import type { Clock } from "../lib/clock.ts";
import { InvalidRequestError, PermissionDeniedError } from "../lib/errors.ts";
import {
  ApiKeyNotFoundError,
  NotAServiceAccountError,
  PermissionTooWideError,
  RequestIdReusedError,
  UserNotFoundError,
} from "./account-errors.ts";
import { makeApiKey } from "./api-key-format.ts";
import {
  type ApiKeyPage,
  findApiKeyByRequest,
  insertApiKey,
  listApiKeys,
  revokeApiKey,
} from "./api-key-queries.ts";
import { notifyChanges } from "./change-queries.ts";
import {
  assertMayGive,
  assertPermissionsExist,
  heldNow,
  type PermissionsNow,
  permissionsOfRoles,
} from "./grants.ts";
import { revokeKeysMadeWith } from "./made-key-queries.ts";
import type { ApiKey } from "./model.ts";
import { beyond } from "./permissions.ts";
import type { RequestHash } from "./request-hash.ts";
import { findUser, lockAccounts } from "./user-queries.ts";

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
  /** The service account whose key it will be; empty = the caller. */
  readonly userId: string;
}

export interface RevokeApiKey {
  readonly id: string;
  readonly keepMadeKeys?: boolean;
}

export interface ApiKeyVerbs {
  /**
   * Makes a key no wider than the credential that asks: neither in permissions nor, if that is a key, in time. One for
   * a service account is no wider than that either. `secret` is empty for a repeated `requestId`.
   * @throws InvalidRequestError, PermissionTooWideError, RequestIdReusedError; for a service account
   *   PermissionDeniedError without `api_keys:create:any`, UserNotFoundError, NotAServiceAccountError
   */
  createApiKey(
    caller: Caller,
    request: CreateApiKey,
  ): Promise<{ readonly key: ApiKey; readonly secret: string }>;
  listApiKeys(caller: Caller, page: ApiKeyPage): Promise<ApiKey[]>;
  /**
   * Revokes for ever; without `keepMadeKeys` also all keys that were made with it, and with these in turn, whoever owns
   * them. What is revoked already stays as it is. @throws ApiKeyNotFoundError
   */
  revokeApiKey(caller: Caller, request: RevokeApiKey): Promise<ApiKey>;
}

export interface ApiKeysDeps {
  readonly db: Database;
  readonly audit: Auditor;
  readonly clock: Clock;
  readonly permissionsNow: PermissionsNow;
  readonly requestHash: RequestHash;
  /** Puts a revocation into force in this process at once. */
  readonly onChange: (change: string) => void;
}

export function createApiKeyVerbs({
  db,
  audit,
  clock,
  permissionsNow,
  requestHash,
  onChange,
}: ApiKeysDeps): ApiKeyVerbs {
  /** Sees to it that the key's owner is there, and may hold it and get it from the caller. */
  const checkOwner = async (sql: Sql, caller: Caller, ownerId: string, permissions: readonly string[]) => {
    const owner = await findUser(sql, ownerId);
    if (!owner) throw new UserNotFoundError(ownerId === caller.userId ? caller.email : ownerId);
    if (ownerId === caller.userId) return;
    if (!owner.isServiceAccount) throw new NotAServiceAccountError(owner.email);
    const more = beyond(permissions, await permissionsOfRoles(sql, owner.roles));
    if (more.length > 0) {
      throw new PermissionTooWideError(`${owner.email} does not hold ${more.join(", ")}`, {
        permissions: more.join(","),
      });
    }
  };

  return {
    async createApiKey(caller, request) {
      const ownerId = request.userId || caller.userId;
      const expiresAt = expiryOf(caller, request.expireTime, clock.now());
      assertPermissionsExist(request.permissions);
      const permissions = [...new Set(request.permissions)].sort();
      const made = makeApiKey();
      const { name, expireTime } = request;
      const requestId = request.requestId || null;
      const hash = requestId && requestHash({ name, permissions, expireTime, ownerId });
      const makerKeyId = caller.credential === "api_key" ? caller.credentialId : null;
      const row = { ...made, name, ownerId, createdBy: caller.userId, makerKeyId, permissions, expiresAt };
      return await db.beginScoped(scopeOf(caller, "api_keys:create"), async (tx) => {
        // A key that is revoked at this moment makes no key that its revocation does not see.
        await lockAccounts(tx);
        const held = await heldNow(permissionsNow, caller, "api_keys:create");
        if (ownerId !== caller.userId && !held.has("api_keys:create:any"))
          throw new PermissionDeniedError("api_keys:create:any");
        assertMayGive(held, permissions);
        await checkOwner(tx, caller, ownerId, permissions);
        const key = await insertApiKey(tx, { ...row, requestId, requestHash: hash });
        if (!key) return { key: await repeated(tx, caller, requestId ?? "", hash), secret: "" };
        await audit.record(tx, caller, {
          action: "api_keys.create",
          resourceType: "api_key",
          resourceId: key.id,
          details: { expire_time: key.expiresAt },
        });
        return { key, secret: made.text };
      });
    },

    async listApiKeys(caller, page) {
      return await listApiKeys(db.scoped(scopeOf(caller, "api_keys:read")), page);
    },

    async revokeApiKey(caller, { id, keepMadeKeys = false }) {
      const scope = scopeOf(caller, "api_keys:delete");
      const { key, ended } = await db.beginScoped(scope, async (tx) => {
        await lockAccounts(tx);
        const revoked = await revokeApiKey(tx, id);
        if (!revoked) throw new ApiKeyNotFoundError(id);
        const others = keepMadeKeys
          ? []
          : await tx.everybody("what was made with the key ends with it, whoever owns it", (all) =>
              revokeKeysMadeWith(all, id),
            );
        const ended = revoked.changed ? [id, ...others] : others;
        if (ended.length > 0) {
          await audit.record(tx, caller, {
            action: "api_keys.revoke",
            resourceType: "api_key",
            resourceId: id,
            details: others.length > 0 ? { made_with_it: others } : {},
          });
          await notifyChanges(
            tx,
            ended.map((one) => ({ kind: "key", id: one })),
          );
        }
        return { key: revoked.key, ended };
      });
      for (const one of ended) onChange(`key:${one}`);
      return key;
    },
  };
}

async function repeated(
  tx: ScopedTransaction,
  caller: Caller,
  requestId: string,
  requestHash: string | null,
): Promise<ApiKey> {
  const first = await findApiKeyByRequest(tx, caller.userId, requestId);
  if (!first || first.requestHash !== requestHash) throw new RequestIdReusedError(requestId);
  const { requestHash: _, ...key } = first;
  return key;
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
