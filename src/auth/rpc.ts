import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { HandlerContext } from "@connectrpc/connect";
import { AuthService as AuthServiceDesc } from "../../gen/sluice/v1/auth_pb.ts";
import { InvalidRequestError } from "../lib/errors.ts";
import { callerOf, callOf } from "../rpc/context.ts";
import { type PageTokens, pageSize } from "../rpc/pages.ts";
import { registerService } from "../rpc/service.ts";
import { apiKeyToMessage, credentialToMessage, tokensToMessage, userToMessage } from "./convert.ts";
import type { User } from "./model.ts";
import type { AuthService } from "./service.ts";

/** Response header of Login, Refresh and GetCaller: the user has a password that somebody else chose. */
export const MUST_CHANGE_HEADER = "sluice-must-change-password";

/** The handlers of AuthService. */
export const authRoutes = (auth: AuthService, pages: PageTokens) =>
  registerService(AuthServiceDesc, {
    async login({ email, password }, context) {
      const tokens = await auth.login({ email, password }, callOf(context).peer);
      surfaceMustChange(context, tokens.user);
      return tokensToMessage(tokens);
    },

    async refresh({ refreshToken }, context) {
      const tokens = await auth.refresh(refreshToken, callOf(context).peer);
      surfaceMustChange(context, tokens.user);
      return tokensToMessage(tokens);
    },

    async logout({ allSessions }, context) {
      await auth.logout(callerOf(context), allSessions);
      return {};
    },

    async createApiKey(request, context) {
      const expireTime = request.expireTime ? timestampDate(request.expireTime) : null;
      if (expireTime && Number.isNaN(expireTime.getTime())) {
        throw new InvalidRequestError([{ field: "expire_time", description: "is no time" }]);
      }
      const { name, permissions, requestId } = request;
      const { key, secret } = await auth.createApiKey(callerOf(context), {
        name,
        permissions,
        expireTime,
        requestId,
      });
      return { apiKey: apiKeyToMessage(key), secret };
    },

    async listApiKeys(request, context) {
      const caller = callerOf(context);
      const limit = pageSize(request.pageSize);
      const { includeInactive } = request;
      const filter = { list: "api_keys", userId: caller.userId, includeInactive };
      const [beforeId = ""] = pages.decode(filter, request.pageToken) ?? [];
      const found = await auth.listApiKeys(caller, {
        includeInactive,
        beforeId: String(beforeId),
        limit: limit + 1,
      });
      const page = found.slice(0, limit);
      const last = page.at(-1);
      return {
        apiKeys: page.map(apiKeyToMessage),
        nextPageToken: found.length > limit && last ? pages.encode(filter, [last.id]) : "",
      };
    },

    async revokeApiKey({ id }, context) {
      return { apiKey: apiKeyToMessage(await auth.revokeApiKey(callerOf(context), id)) };
    },

    async getCaller(_, context) {
      const caller = callerOf(context);
      const user = await auth.getCaller(caller);
      surfaceMustChange(context, user);
      return {
        user: userToMessage(user),
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
  });

function surfaceMustChange(context: HandlerContext, user: User): void {
  if (user.mustChangePassword) context.responseHeader.set(MUST_CHANGE_HEADER, "true");
}
