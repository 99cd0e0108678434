import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { AuthService as AuthServiceDesc } from "../../gen/sluice/v1/auth_pb.ts";
import { InvalidRequestError } from "../lib/errors.ts";
import { isStorable } from "../lib/storable.ts";
import { callerOf, callOf } from "../rpc/context.ts";
import { idCursor } from "../rpc/id-cursor.ts";
import { type Cursor, InvalidPageTokenError, type PageTokens, pageSize } from "../rpc/pages.ts";
import { registerService } from "../rpc/service.ts";
import {
  apiKeyToMessage,
  credentialToMessage,
  roleToMessage,
  tokensToMessage,
  userToMessage,
} from "./convert.ts";
import type { RolePlace } from "./roles.ts";
import type { AuthService } from "./service.ts";

/** The handlers of AuthService. */
export const authRoutes = (auth: AuthService, pages: PageTokens) =>
  registerService(AuthServiceDesc, {
    async login({ email, password }, context) {
      assertStorable({ email });
      return tokensToMessage(await auth.login({ email, password }, callOf(context).peer));
    },

    async refresh({ refreshToken }, context) {
      return tokensToMessage(await auth.refresh(refreshToken, callOf(context).peer));
    },

    async logout({ allSessions }, context) {
      await auth.logout(callerOf(context), allSessions);
      return {};
    },

    async createApiKey(request, context) {
      const expireTime = request.expireTime ? timestampDate(request.expireTime) : null;
      const { name, permissions, requestId } = request;
      assertStorable({ name, request_id: requestId });
      const userId = request.userId.toLowerCase();
      const wanted = { name, permissions, expireTime, requestId, userId };
      const { key, secret } = await auth.createApiKey(callerOf(context), wanted);
      return { apiKey: apiKeyToMessage(key), secret };
    },

    async listApiKeys(request, context) {
      const caller = callerOf(context);
      const limit = pageSize(request.pageSize);
      const { includeInactive } = request;
      const userId = request.userId.toLowerCase() || null;
      const list = { list: "api_keys", includeInactive, userId, callerId: caller.userId };
      const beforeId = idCursor(pages.decode(list, request.pageToken)) ?? "";
      const found = await auth.listApiKeys(caller, { includeInactive, userId, beforeId, limit: limit + 1 });
      const page = found.slice(0, limit);
      const last = page.at(-1);
      return {
        apiKeys: page.map(apiKeyToMessage),
        nextPageToken: found.length > limit && last ? pages.encode(list, [last.id]) : "",
      };
    },

    async revokeApiKey({ id, keepMadeKeys }, context) {
      assertStorable({ id });
      return { apiKey: apiKeyToMessage(await auth.revokeApiKey(callerOf(context), { id, keepMadeKeys })) };
    },

    async getCaller(_, context) {
      const caller = callerOf(context);
      return {
        user: userToMessage(await auth.getCaller(caller)),
        permissions: [...caller.permissions].sort(),
        credentialType: credentialToMessage(caller.credential),
        credentialId: caller.credentialId,
        ...(caller.expireTime && { expireTime: timestampFromDate(caller.expireTime) }),
      };
    },

    async changePassword({ currentPassword, newPassword }, context) {
      await auth.changePassword(callerOf(context), { current: currentPassword, next: newPassword });
      return {};
    },

    async createUser({ email, displayName, password, roles, isServiceAccount, requestId }, context) {
      assertStorable({ email, display_name: displayName, roles: roles.join(), request_id: requestId });
      const wanted = { email, displayName, password, roles, isServiceAccount, requestId };
      return { user: userToMessage(await auth.createUser(callerOf(context), wanted)) };
    },

    async getUser({ id }) {
      return { user: userToMessage(await auth.getUser(id.toLowerCase())) };
    },

    async listUsers(request) {
      const { query, role, isActive = null } = request;
      assertStorable({ query, role });
      const limit = pageSize(request.pageSize);
      const filter = { query, role, isActive };
      const list = { list: "users", ...filter };
      const beforeId = idCursor(pages.decode(list, request.pageToken));
      const found = await auth.listUsers(filter, { beforeId, limit: limit + 1 });
      const page = found.slice(0, limit);
      const last = page.at(-1);
      return {
        users: page.map(userToMessage),
        nextPageToken: found.length > limit && last ? pages.encode(list, [last.id]) : "",
      };
    },

    async updateUser({ id, expectedVersion, roles, isActive = null, displayName = null }, context) {
      assertStorable({ display_name: displayName ?? "", roles: roles.join() });
      const wanted = { id: id.toLowerCase(), expectedVersion, displayName, roles, isActive };
      return { user: userToMessage(await auth.updateUser(callerOf(context), wanted)) };
    },

    async resetPassword({ userId, newPassword }, context) {
      const wanted = { userId: userId.toLowerCase(), password: newPassword };
      return { generatedPassword: (await auth.resetPassword(callerOf(context), wanted)) ?? "" };
    },

    async listRoles(request) {
      const limit = pageSize(request.pageSize);
      const list = { list: "roles" };
      const after = rolePlace(pages.decode(list, request.pageToken));
      const found = await auth.listRoles({ after, limit: limit + 1 });
      const page = found.slice(0, limit);
      const last = page.at(-1);
      const cursor: Cursor = last ? [last.name, last.createdAt?.getTime() ?? BUILTIN] : [];
      return {
        roles: page.map(roleToMessage),
        nextPageToken: found.length > limit ? pages.encode(list, cursor) : "",
      };
    },

    async createRole({ name, description, permissions, requestId }, context) {
      assertStorable({ description, request_id: requestId });
      const wanted = { name, description, permissions, requestId };
      return { role: roleToMessage(await auth.createRole(callerOf(context), wanted)) };
    },

    async updateRole({ name, expectedVersion, description, permissions }, context) {
      assertStorable({ name, description });
      const wanted = { name, expectedVersion, description, permissions };
      return { role: roleToMessage(await auth.updateRole(callerOf(context), wanted)) };
    },

    async deleteRole({ name, expectedVersion }, context) {
      assertStorable({ name });
      await auth.deleteRole(callerOf(context), name, expectedVersion);
      return {};
    },
  });

/** In place of the time at which a role was made. */
const BUILTIN = 0;

function rolePlace(cursor: Cursor | null): RolePlace | null {
  if (cursor === null) return null;
  const [name, createdAt] = cursor;
  if (typeof name !== "string" || typeof createdAt !== "number") throw new InvalidPageTokenError();
  return { name, createdAt: createdAt === BUILTIN ? null : new Date(createdAt) };
}

/** @throws InvalidRequestError naming the fields that the database cannot hold */
function assertStorable(texts: Readonly<Record<string, string>>): void {
  const faults = Object.entries(texts).filter(([, text]) => !isStorable(text));
  if (faults.length === 0) return;
  const description = "Must not contain U+0000 or half of a surrogate pair.";
  throw new InvalidRequestError(faults.map(([field]) => ({ field, description })));
}
