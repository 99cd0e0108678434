import { basename } from "node:path";

/** What people type to run the program, unless something else is known. */
export const DEFAULT_NAME = "sluice";

/**
 * What people type to run the program again, told by the script that was started (`process.argv[1]`): the plain
 * command where it is installed, `npx sluice` where it runs out of a project's `node_modules` or its own sources.
 */
export function programNameOf(script: string | undefined): string {
  const installed = script !== undefined && /^sluice(\.cmd|\.exe)?$/i.test(basename(script));
  const local = /[\\/]node_modules[\\/]/.test(script ?? "");
  return installed && !local ? DEFAULT_NAME : `npx ${DEFAULT_NAME}`;
}
