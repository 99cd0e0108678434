import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type ApiKeySchema,
  CredentialType,
  type LoginResponseSchema,
  type RoleSchema,
  type UserSchema,
} from "../../gen/sluice/v1/auth_pb.ts";
import type { Caller } from "../lib/caller.ts";
import type { ApiKey, Role, Tokens, User } from "./model.ts";

const CREDENTIAL_TYPES: Record<Caller["credential"], CredentialType> = {
  jwt: CredentialType.ACCESS_TOKEN,
  api_key: CredentialType.API_KEY,
  external: CredentialType.EXTERNAL_TOKEN,
  none: CredentialType.NONE,
};

export function credentialToMessage(credential: Caller["credential"]): CredentialType {
  return CREDENTIAL_TYPES[credential];
}

export function userToMessage(user: User): MessageInitShape<typeof UserSchema> {
  const { id, email, displayName, isActive, isServiceAccount, mustChangePassword, version } = user;
  return {
    id,
    email,
    displayName,
    roles: [...user.roles],
    isActive,
    isServiceAccount,
    mustChangePassword,
    version,
    issuer: user.issuer ?? "",
    subject: user.subject ?? "",
    createTime: timestampFromDate(user.createdAt),
    updateTime: timestampFromDate(user.updatedAt),
    ...(user.lastLoginAt && { lastLoginTime: timestampFromDate(user.lastLoginAt) }),
  };
}

export function roleToMessage(role: Role): MessageInitShape<typeof RoleSchema> {
  const { name, description, permissions, isBuiltin, version, createdAt, updatedAt } = role;
  return {
    name,
    description,
    permissions: [...permissions],
    isBuiltin,
    version,
    ...(createdAt && { createTime: timestampFromDate(createdAt) }),
    ...(updatedAt && { updateTime: timestampFromDate(updatedAt) }),
  };
}

export function apiKeyToMessage(key: ApiKey): MessageInitShape<typeof ApiKeySchema> {
  return {
    id: key.id,
    name: key.name,
    permissions: [...key.permissions],
    userId: key.ownerId,
    makerKeyId: key.makerKeyId ?? "",
    createTime: timestampFromDate(key.createdAt),
    expireTime: timestampFromDate(key.expiresAt),
    ...(key.lastUsedAt && { lastUsedTime: timestampFromDate(key.lastUsedAt) }),
    ...(key.revokedAt && { revokeTime: timestampFromDate(key.revokedAt) }),
  };
}

/** Login and refresh answer with the same fields. */
export function tokensToMessage(
  tokens: Tokens,
): Omit<MessageInitShape<typeof LoginResponseSchema>, "$typeName"> {
  return {
    accessToken: tokens.accessToken,
    refreshToken: tokens.refreshToken,
    expireTime: timestampFromDate(tokens.expireTime),
    refreshExpireTime: timestampFromDate(tokens.refreshExpireTime),
    user: userToMessage(tokens.user),
  };
}
