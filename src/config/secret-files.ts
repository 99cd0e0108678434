import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { resolve } from "node:path";

/** A file with a secret is small; one that is not is not what was meant. */
const MAX_BYTES = 64 * 1024;
/** Files that a container gets to read: its user is alone there, and their mode is the host's affair. */
const CONTAINER_SECRETS = /^(\/var)?\/run\/secrets\//;
const OTHERS_WRITE = 0o022;
const OTHERS_READ = 0o044;

/**
 * Reads the file that a setting names. What cannot be read, or could be exchanged by another user, is a fault; what others
 * can read, a warning. Neither shows the path, which may tell about the machine, nor the content.
 */
export function readSecretFile(
  name: string,
  file: string,
  found: { readonly faults: string[]; readonly warnings: string[] },
): string {
  try {
    const descriptor = openSync(file, "r");
    try {
      const { mode, size } = fstatSync(descriptor);
      if (size > MAX_BYTES) found.faults.push(`${name}: the file is larger than ${MAX_BYTES} bytes`);
      else if (process.platform !== "win32") judgeMode(name, resolve(file), mode, found);
      return size > MAX_BYTES ? "" : readFileSync(descriptor, "utf8");
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    found.faults.push(`${name}: the file cannot be read (${(error as NodeJS.ErrnoException).code})`);
    return "";
  }
}

function judgeMode(
  name: string,
  path: string,
  mode: number,
  { faults, warnings }: { readonly faults: string[]; readonly warnings: string[] },
): void {
  if (mode & OTHERS_WRITE) {
    faults.push(`${name}: other users of this machine may write the file; close it with \`chmod 600\``);
  } else if (mode & OTHERS_READ && !CONTAINER_SECRETS.test(path)) {
    warnings.push(`${name}: other users of this machine may read the file; close it with \`chmod 600\``);
  }
}

const PLACEHOLDER =
  /^(change[-_ ]?(me|it|this).*|replace[-_ ]?(me|this|with).*|your[-_ ].*|<.*>|\*+|to[-_ ]?do|example.*|placeholder.*|(admin|sluice|super)?[-_ ]?(password|passwort|secret)[-_!.\d]*|correct[- ]?horse[- ]?battery[- ]?staple|(1234567890)+\d*|qwerty.*)$/i;

/** True for what stands in examples in the place of a secret, and for what is guessed first. */
export function isPlaceholder(text: string): boolean {
  return PLACEHOLDER.test(text);
}
