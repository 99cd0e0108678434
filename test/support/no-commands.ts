import type { ServerCommands } from "../../src/cli/server-commands.ts";

const none = async (): Promise<number> => 0;

/** The commands that run servers, for tests of the others: they do nothing. */
export const NO_COMMANDS: ServerCommands & { readonly version: string } = {
  serve: none,
  worker: none,
  migrate: none,
  config: none,
  doctor: none,
  verifyAuditFile: none,
  createUser: none,
  resetPassword: none,
  rotateKeys: none,
  listKeys: none,
  version: "0.0.0",
};
