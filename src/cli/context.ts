import type { Readable, Writable } from "node:stream";
import type { SluiceError } from "@sluice/sdk";

/** What the environment says about the server to call; `clientSettings` of the program's config gives it. */
export interface ClientSettings {
  readonly url?: string;
  readonly apiKey?: string;
  readonly dataDir: string;
  readonly configDir: string;
  /** No colours, no progress bars. */
  readonly plain?: boolean;
}

/** A terminal, or a file or pipe in its place. */
export type Output = Writable & {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
};
export type Input = Readable & { readonly isTTY?: boolean; setRawMode?: (raw: boolean) => unknown };

/** Where the commands read and write. */
export interface Io {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
}

/** What every client command gets. */
export interface CliContext {
  readonly io: Io;
  /** What to type to run the program: `sluice`, or `npx sluice`. */
  readonly programName: string;
  /** Read when a command needs them, so that `--help` works whatever they are. @throws on bad settings */
  readonly settings: () => ClientSettings;
  /** `--url`, which goes before the settings. */
  readonly url: () => string | undefined;
}

/** A command ends with this sentence on stderr. */
export class CliError extends Error {
  override name = "CliError";
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Exit code of a command that the user interrupted, as shells expect it. */
export const INTERRUPTED = 130;

/** An error of the SDK as a plain sentence for the one who typed the command. */
export function sentenceOf(
  error: SluiceError,
  { url, programName }: { readonly url: string; readonly programName: string },
): string {
  switch (error.reason) {
    case "UNREACHABLE":
      return `No Sluice answers at ${url}. Start one with \`${programName} serve\`, or set SLUICE_URL.`;
    case "CONNECTION_LOST":
      return `The connection to ${url} broke. Is it a Sluice, and is it running?`;
    case "UNAUTHENTICATED":
      return `Not logged in at ${url}. Run \`${programName} login\`, or set SLUICE_API_KEY.`;
    case "CREDENTIAL_INVALID":
    case "CREDENTIAL_EXPIRED":
    case "REFRESH_TOKEN_INVALID":
    case "REFRESH_TOKEN_REUSED":
      return `${url} does not accept this credential any more. Run \`${programName} login\`, or set another SLUICE_API_KEY.`;
    case "UNKNOWN":
      return `${url}: ${error.message}`;
    default:
      return `${error.reason}: ${error.message}`;
  }
}
