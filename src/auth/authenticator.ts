import type { Database } from "../db/sql.ts";
import type { Caller, ExternalHolder } from "../lib/caller.ts";
import type { Clock } from "../lib/clock.ts";
import { messageOf } from "../lib/errors.ts";
import type { Logger } from "../telemetry/logger.ts";
import { parseApiKey, secretMatches } from "./api-key-format.ts";
import { CHANGE_CHANNEL } from "./change-queries.ts";
import { credentialOf } from "./credential.ts";
import { CredentialExpiredError, CredentialInvalidError } from "./errors.ts";
import type { ExternalIdentity, ExternalTokens } from "./external/external-tokens.ts";
import { createKeyUse } from "./key-use.ts";
import { LOCAL_USER_ID, type Peer } from "./model.ts";
import { ALL_PERMISSIONS, externalPermissionsOf, intersect, permissionsOf } from "./permissions.ts";
import type { ExternalPrincipal, KeyPrincipal, SessionPrincipal } from "./principal-queries.ts";
import { createPrincipals } from "./principals.ts";
import type { AccessTokens } from "./tokens.ts";

/** Answers "who calls?". */
export interface Authenticator {
  /**
   * The caller behind the headers, with the permissions that hold now. Changes (a disabled user, other roles, a
   * revoked key, a logout) are in force within 5 s on every process.
   * @throws UnauthenticatedError, CredentialInvalidError, CredentialExpiredError, CredentialsConflictError,
   * RolesMissingError, IssuerUnavailableError
   */
  authenticate(headers: Headers, peer: Peer): Promise<Caller>;
  /**
   * What the caller may do at this moment, asked of the database and not of memory.
   * @throws CredentialInvalidError if the credential is good no more
   */
  permissionsNow(caller: Caller): Promise<ReadonlySet<string>>;
  /**
   * For streams that stay open: resolves while the credential is good and allows all that it did.
   * @throws CredentialInvalidError, CredentialExpiredError
   */
  revalidate(caller: Caller): Promise<void>;
  /** Forgets what it knows, so that a change made here is in force at once. */
  invalidate(change?: string): void;
  /** Follows the changes that other processes make; without it they are in force after 5 s all the same. */
  start(): Promise<void>;
  /** Waits for the last notes of use. */
  stop(): Promise<void>;
}

export interface AuthenticatorDeps {
  /** `none` takes every caller for the administrator; only for loopback addresses. */
  readonly mode: "required" | "none";
  readonly db: Database;
  readonly access: Pick<AccessTokens, "verify" | "checkKey">;
  readonly external: ExternalTokens;
  /** Makes the user of an external token that comes for the first time. */
  readonly makeExternalUser: (identity: ExternalIdentity, peer: Peer) => Promise<void>;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "debug">;
}

export function createAuthenticator(deps: AuthenticatorDeps): Authenticator {
  const { mode, db, access, external, clock, logger } = deps;
  const principals = createPrincipals(db.sql, clock);
  const keyUse = createKeyUse({
    sql: db.sql,
    clock,
    onError: (error) => logger.debug({ error: messageOf(error) }, "the use of an API key was not noted"),
  });

  /** The key, if it is good now; the caller of this has checked, or checks, its secret. */
  const goodKey = async (id: string): Promise<KeyPrincipal> => {
    const key = await principals.key(id);
    if (!key || key.isRevoked || !key.isActive) throw new CredentialInvalidError();
    return key;
  };

  const goodSession = async (id: string): Promise<SessionPrincipal> => {
    const session = await principals.session(id);
    if (!session || session.isEnded || !session.isActive) throw new CredentialInvalidError();
    return session;
  };

  const goodExternal = async (
    holder: ExternalHolder,
    make?: () => Promise<void>,
  ): Promise<ExternalPrincipal> => {
    let user = await principals.external(holder);
    if (!user && make) {
      await make();
      user = await principals.external(holder);
    }
    if (!user?.isActive) throw new CredentialInvalidError();
    return user;
  };

  const byApiKey = async (text: string, peer: Peer): Promise<Caller> => {
    const parts = parseApiKey(text);
    if (!parts) throw new CredentialInvalidError();
    const key = await goodKey(parts.id);
    if (!secretMatches(parts.secret, key.hash)) throw new CredentialInvalidError();
    if (key.expiresAt.getTime() <= clock.now()) throw new CredentialExpiredError();
    keyUse.note(parts.id, key.lastUsedAt);
    return {
      userId: key.userId,
      email: key.email,
      credential: "api_key",
      credentialId: parts.id,
      permissions: keyPermissions(key),
      expireTime: key.expiresAt,
      ...peer,
    };
  };

  const byExternalToken = async (identity: ExternalIdentity, peer: Peer): Promise<Caller> => {
    const user = await goodExternal(identity, () => deps.makeExternalUser(identity, peer));
    const { issuer, subject, roles } = identity;
    return {
      userId: user.userId,
      email: user.email,
      credential: "external",
      credentialId: identity.tokenId,
      external: { issuer, subject, roles },
      permissions: externalPermissionsOf(user.roles, user.customPermissions),
      expireTime: identity.expireTime,
      ...peer,
    };
  };

  const byToken = async (text: string, peer: Peer): Promise<Caller> => {
    const identity = await external.verify(text);
    if (identity) return await byExternalToken(identity, peer);
    const { userId, sessionId, tokenVersion, expireTime, keyId } = await access.verify(text);
    let session = await goodSession(sessionId);
    if (tokenVersion > session.tokenVersion) {
      // The token is newer than what is known here.
      principals.invalidate(`session:${sessionId}`);
      session = await goodSession(sessionId);
    }
    if (session.userId !== userId || session.tokenVersion !== tokenVersion)
      throw new CredentialInvalidError();
    return {
      userId,
      email: session.email,
      credential: "jwt",
      credentialId: sessionId,
      signingKeyId: keyId,
      permissions: permissionsOf(session.roles, session.customPermissions),
      expireTime,
      ...peer,
    };
  };

  /** As known here, up to 2 s old. */
  const permissionsKnown = async (caller: Caller): Promise<ReadonlySet<string>> => {
    const { credential, credentialId } = caller;
    if (credential === "api_key") return keyPermissions(await goodKey(credentialId));
    if (caller.external) {
      const user = await goodExternal(caller.external);
      return externalPermissionsOf(user.roles, user.customPermissions);
    }
    if (caller.signingKeyId) await access.checkKey(caller.signingKeyId);
    const session = await goodSession(credentialId);
    return permissionsOf(session.roles, session.customPermissions);
  };

  return {
    async authenticate(headers, { ipAddress, userAgent, requestId }) {
      const peer = { ipAddress, userAgent, requestId };
      if (mode === "none") return localCaller(peer);
      const credential = credentialOf(headers);
      return await (credential.startsWith("slk_") ? byApiKey(credential, peer) : byToken(credential, peer));
    },
    async permissionsNow(caller) {
      if (caller.credential === "none") return caller.permissions;
      principals.invalidate(changeOf(caller));
      return await permissionsKnown(caller);
    },
    async revalidate(caller) {
      if (caller.credential === "none") return;
      if (caller.expireTime && caller.expireTime.getTime() <= clock.now()) throw new CredentialExpiredError();
      const now = await permissionsKnown(caller);
      if ([...caller.permissions].some((permission) => !now.has(permission)))
        throw new CredentialInvalidError();
    },
    invalidate: principals.invalidate,
    async start() {
      if (mode === "none") return;
      await db.listen(CHANGE_CHANNEL, principals.invalidate, () => principals.invalidate());
    },
    stop: keyUse.drain,
  };
}

/** The change that makes what is known of the caller's credential be asked anew. */
function changeOf({ credential, credentialId, userId }: Caller): string {
  if (credential === "api_key") return `key:${credentialId}`;
  return credential === "external" ? `user:${userId}` : `session:${credentialId}`;
}

function keyPermissions(key: KeyPrincipal): ReadonlySet<string> {
  return intersect(key.permissions, permissionsOf(key.roles, key.customPermissions));
}

/** Who calls when no credential is wanted. */
function localCaller(peer: Peer): Caller {
  return {
    userId: LOCAL_USER_ID,
    email: "local",
    credential: "none",
    credentialId: "",
    permissions: new Set(ALL_PERMISSIONS),
    expireTime: null,
    ...peer,
  };
}
