import type { Trail } from "../lib/trail.ts";

/** Someone who calls: a person, or a service account, which has no password. */
export interface User {
  readonly id: string;
  /** Empty for a user of an external issuer. */
  readonly email: string;
  readonly displayName: string;
  readonly roles: readonly string[];
  readonly isActive: boolean;
  readonly isServiceAccount: boolean;
  readonly mustChangePassword: boolean;
  readonly tokenVersion: number;
  readonly version: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly lastLoginAt: Date | null;
  /** The external issuer, and who the user is for it; null for users of our own. */
  readonly issuer: string | null;
  readonly subject: string | null;
}

/** What to call a user in a sentence. */
export function nameOf({ email, issuer, subject }: Pick<User, "email" | "issuer" | "subject">): string {
  return issuer ? `${subject} of ${issuer}` : email;
}

/** A user with the hash of the password; it goes no further than the verbs that check it. */
export interface UserWithHash extends User {
  readonly passwordHash: string | null;
}

/** A named set of permissions that somebody made. */
export interface CustomRole {
  readonly name: string;
  readonly description: string;
  readonly permissions: readonly string[];
  readonly version: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** A role that somebody made, or one that comes with the program: the same since ever, at version 1. */
export interface Role extends Omit<CustomRole, "createdAt" | "updatedAt"> {
  readonly isBuiltin: boolean;
  /** Null = it comes with the program. */
  readonly createdAt: Date | null;
  readonly updatedAt: Date | null;
}

/** An API key without its secret. */
export interface ApiKey {
  readonly id: string;
  readonly name: string;
  readonly ownerId: string;
  /** The key that it was made with, and is revoked with; null = with none. */
  readonly makerKeyId: string | null;
  readonly permissions: readonly string[];
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly lastUsedAt: Date | null;
  readonly revokedAt: Date | null;
}

/** What a login or a refresh yields. */
export interface Tokens {
  readonly accessToken: string;
  readonly expireTime: Date;
  readonly refreshToken: string;
  readonly refreshExpireTime: Date;
  readonly user: User;
}

/** Where a request comes from. */
export interface Peer {
  readonly ipAddress: string;
  readonly userAgent: string;
  readonly requestId: string;
  /** What the call leaves in the audit log. */
  readonly trail?: Trail | undefined;
}

/** The form in which addresses are stored and compared. */
export function normalizeEmail(email: string): string {
  return email.trim().normalize("NFC").toLowerCase();
}

/** The user that calls belong to when the server runs without authentication. It has no row in the database. */
export const LOCAL_USER_ID = "00000000-0000-7000-8000-00000000000a";
