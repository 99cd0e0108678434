import { createServer as createHttp1 } from "node:http";
import { createServer as createHttp2 } from "node:http2";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { AuthService } from "../../../gen/sluice/v1/auth_pb.ts";
import { failure } from "../sdk/server.ts";

/** The accounts of a server on a real socket: one user, whose password ends all sessions when it changes. */
export async function startAuthServer({ mustChange = false, mayMakeKeys = true } = {}) {
  const state = { password: "first password", mustChange, calls: [] as string[] };
  const sessions = new Set<string>();
  let count = 0;
  const refuse = (reason: string) => failure(Code.Unauthenticated, reason, "No.");
  const enter = (name: string, headers: Headers) => {
    state.calls.push(name);
    const credential = headers.get("authorization")?.replace("Bearer ", "") ?? "";
    if (!credential) throw refuse("UNAUTHENTICATED");
    if (credential !== "slk_made" && !sessions.has(credential)) throw refuse("CREDENTIAL_INVALID");
  };
  const user = { email: "a@example.com" };
  const adapter = connectNodeAdapter({
    routes: (router) =>
      router.service(AuthService, {
        async login({ email, password }) {
          state.calls.push("login");
          if (email !== user.email || password !== state.password) throw refuse("LOGIN_FAILED");
          const accessToken = `token-${++count}`;
          sessions.add(accessToken);
          const expireTime = timestampFromMs(Date.now() + 600_000);
          return { accessToken, refreshToken: `refresh-${count}`, expireTime, user };
        },
        async logout() {
          return {};
        },
        async getCaller(_, { requestHeader }) {
          enter("getCaller", requestHeader);
          return { user: { ...user, mustChangePassword: state.mustChange }, permissions: ["account:update"] };
        },
        async createApiKey(_, { requestHeader }) {
          enter("createApiKey", requestHeader);
          if (!mayMakeKeys) throw failure(Code.PermissionDenied, "PERMISSION_DENIED", "No.");
          return { apiKey: { id: "made" }, secret: "slk_made" };
        },
        async changePassword({ currentPassword, newPassword }, { requestHeader }) {
          enter("changePassword", requestHeader);
          if (currentPassword !== state.password) throw refuse("LOGIN_FAILED");
          Object.assign(state, { password: newPassword, mustChange: false });
          sessions.clear();
          return {};
        },
      }),
  });
  const [h1, h2] = [createHttp1(adapter), createHttp2(adapter)];
  const sockets = new Set<Socket>();
  const front = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("data", (first: Buffer) => {
      socket.pause();
      socket.unshift(first);
      const isH2 = first.toString("latin1", 0, 3) === "PRI";
      (isH2 ? h2 : h1).emit("connection", socket);
      if (!isH2) socket.resume();
    });
  });
  await new Promise<void>((done) => front.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${(front.address() as AddressInfo).port}`,
    state,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => front.close(done));
    },
  };
}
