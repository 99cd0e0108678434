import { availableParallelism } from "node:os";
import { createAuditor } from "../audit/auditor.ts";
import type { Database } from "../db/sql.ts";
import type { Egress } from "../egress/egress.ts";
import { type Clock, monotonicMs, systemClock } from "../lib/clock.ts";
import type { OidcIssuer } from "../lib/oidc-issuers.ts";
import type { PageTokens } from "../rpc/pages.ts";
import type { ServiceRegistration } from "../rpc/service.ts";
import type { Logger } from "../telemetry/logger.ts";
import { type AdminVerbs, createAdminVerbs } from "./admin.ts";
import { type Authenticator, createAuthenticator } from "./authenticator.ts";
import { type BootstrapResult, bootstrapAdmin } from "./bootstrap.ts";
import { createExternalTokens } from "./external/external-tokens.ts";
import { createExternalUserMaker } from "./external/external-users.ts";
import { checkIssuers } from "./external/issuer-checks.ts";
import { createJwksHandler } from "./jwks.ts";
import { createKeyRotation } from "./key-rotation.ts";
import { createKeyRotator } from "./key-rotator.ts";
import { ensureLocalKey } from "./local-key.ts";
import { createPasswords, hashesAtOnce } from "./passwords.ts";
import { createRefreshTokenMaker } from "./refresh-tokens.ts";
import { createRequestHash } from "./request-hash.ts";
import { authRoutes } from "./rpc.ts";
import { type AuthService, createAuthService } from "./service.ts";
import { createSessions, type SessionLimits } from "./sessions.ts";
import { createSigningKeys } from "./signing-keys.ts";
import { createLoginThrottle } from "./throttle.ts";
import { createAccessTokens } from "./tokens.ts";

/** Issuer of access tokens when there is no public URL; the same on every server of an installation. */
const DEFAULT_ISSUER = "sluice";
const AUDIENCE = "sluice";

/** Everything about who calls, put together. */
export interface Auth {
  readonly authenticate: Authenticator["authenticate"];
  readonly revalidate: Authenticator["revalidate"];
  /** Answers `/.well-known/jwks.json`; false for other paths. */
  readonly jwks: ReturnType<typeof createJwksHandler>;
  readonly service: AuthService;
  readonly admin: AdminVerbs;
  /** The first administrator: made by this start, or before. */
  readonly bootstrap: BootstrapResult;
  /** The file with the API key for commands on this machine; null if there is no administrator. */
  readonly localKeyPath: string | null;
  routes(pages: PageTokens): ServiceRegistration[];
  stop(): Promise<void>;
}

export interface AuthOptions {
  readonly db: Database;
  readonly config: {
    readonly auth: "required" | "none";
    readonly dataDir: string;
    readonly publicUrl: string | null;
    readonly adminEmail: string | null;
    readonly adminPassword: string | null;
    readonly oidcIssuers: readonly OidcIssuer[];
    /** How long a key signs; null = until it is rotated. */
    readonly signingKeyMs: number | null;
  };
  readonly masterKey: Uint8Array;
  /** The way to the external issuers. */
  readonly egress: Pick<Egress, "call" | "check">;
  readonly logger: Logger;
  readonly clock?: Clock;
  readonly limits?: Partial<SessionLimits>;
  /** For tests: the time of the database's statements. */
  readonly databaseTime?: () => Date;
}

/**
 * Makes signing keys and the first administrator if there are none, and the key for commands on this machine; then
 * callers can be told apart.
 * @throws MasterKeyMismatchError, SecretFileError, IssuerRefusedError
 */
export async function createAuth(options: AuthOptions): Promise<Auth> {
  const { db, config, masterKey, egress, logger, limits = {}, databaseTime } = options;
  const clock = options.clock ?? systemClock;
  const audit = createAuditor(clock.now);
  const passwords = createPasswords({ concurrency: hashesAtOnce(availableParallelism()) });
  const keys = createSigningKeys({ db, masterKey, clock });
  const rotation = createKeyRotation({ db, audit, masterKey });
  await rotation.ensure();
  const bootstrap = await bootstrapAdmin({
    db,
    audit,
    passwords,
    email: config.adminEmail ?? undefined,
    password: config.adminPassword ?? undefined,
    dataDir: config.dataDir,
    logger,
  });
  const localKeyPath = await ensureLocalKey({ db, audit, clock, dataDir: config.dataDir });
  const issuer = config.publicUrl || DEFAULT_ISSUER;
  const access = createAccessTokens({ keys, clock, issuer, audience: AUDIENCE });
  await checkIssuers({ issuers: config.oidcIssuers, sql: db.sql, egress, logger });
  const authenticator = createAuthenticator({
    mode: config.auth,
    db,
    access,
    external: createExternalTokens({
      issuers: config.oidcIssuers,
      egress,
      clock,
      now: monotonicMs,
      logger,
    }),
    makeExternalUser: createExternalUserMaker({ db, audit }),
    clock,
    logger,
  });
  const refreshTokens = createRefreshTokenMaker(masterKey);
  const sessions = createSessions({ db, access, refreshTokens, audit, limits, databaseTime });
  const service = createAuthService({
    db,
    audit,
    clock,
    passwords,
    throttle: createLoginThrottle(db, databaseTime),
    sessions,
    permissionsNow: authenticator.permissionsNow,
    requestHash: createRequestHash(masterKey),
    issuers: config.oidcIssuers,
    onChange: authenticator.invalidate,
    databaseTime,
  });
  const rotator =
    config.signingKeyMs === null
      ? null
      : createKeyRotator({ rotation, maxActiveMs: config.signingKeyMs, logger });
  await rotator?.start();
  await keys.start();
  await authenticator.start();
  return {
    authenticate: authenticator.authenticate,
    revalidate: authenticator.revalidate,
    jwks: createJwksHandler(keys),
    service,
    admin: createAdminVerbs({ db, audit, passwords }),
    bootstrap,
    localKeyPath,
    routes: (pages) => [authRoutes(service, pages)],
    async stop() {
      await Promise.all([rotator?.stop(), keys.stop(), authenticator.stop()]);
    },
  };
}
