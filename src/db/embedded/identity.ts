import { existsSync } from "node:fs";
import { userInfo } from "node:os";

const NOBODY = 65534;

/**
 * A way to run the server. `direct`: as ourselves. `supervised`: as ourselves under a shell that watches us.
 * `namespace`: as ourselves, who are called `nobody` inside a user namespace. `nobody`: as that user.
 * `nobody-override`: the same, allowed to pass folders that it could not. `owner`: as the owner of the data.
 */
export type IdentityKind = "direct" | "supervised" | "namespace" | "nobody" | "nobody-override" | "owner";

export interface Identity {
  readonly kind: IdentityKind;
  /** The command line that runs a short-lived tool under this identity. */
  wrap(argv: readonly string[]): string[];
  /** The same for the server: SIGINT (a fast shutdown) reaches it when the thread that spawned it ends. */
  wrapServer(argv: readonly string[]): string[];
  /** Whom the server's files must belong to, as seen from outside; null when that needs no care. */
  readonly owner: { readonly uid: number; readonly gid: number } | null;
  /** True when the server ends with its stdin, which must then be a pipe that we hold. */
  readonly watchesStdin: boolean;
}

// The death signal is cleared by a change of credentials, so it is always set last.
const DEATH_SIGNAL = ["--pdeathsig", "INT", "--"];
// initdb wants its user to stand in /etc/passwd; `nobody` does everywhere.
const NAMESPACE = ["unshare", "--user", `--map-user=${NOBODY}`, `--map-group=${NOBODY}`, "--", "setpriv"];
const OVERRIDE = ["--inh-caps", "+dac_override", "--ambient-caps", "+dac_override"];

// A background job of a shell without job control cannot read stdin, hence descriptor 3.
const SUPERVISOR = `exec 3<&0
"$@" </dev/null 3<&- & server=$!
(while read -r _; do :; done <&3; kill -INT $server) & watch=$!
wait $server; code=$?
kill $watch 2>/dev/null
exit $code`;

function asUser(uid: number, gid: number): string[] {
  return ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"];
}

function prefixed(kind: IdentityKind, prefix: readonly string[], owner: Identity["owner"] = null): Identity {
  const wrap = (argv: readonly string[]): string[] => [...prefix, ...DEATH_SIGNAL, ...argv];
  return { kind, owner, watchesStdin: false, wrap, wrapServer: wrap };
}

function make(kind: IdentityKind, data: { uid: number; gid: number } | null, isRoot: boolean): Identity {
  const nobody = { uid: NOBODY, gid: NOBODY };
  switch (kind) {
    case "direct":
      return prefixed(kind, ["setpriv"]);
    case "namespace":
      return prefixed(kind, NAMESPACE, isRoot ? { uid: 0, gid: 0 } : null);
    case "nobody":
      return prefixed(kind, asUser(NOBODY, NOBODY), nobody);
    case "nobody-override":
      return prefixed(kind, [...asUser(NOBODY, NOBODY), ...OVERRIDE], nobody);
    case "owner": {
      const owner = data ?? nobody;
      return prefixed(kind, asUser(owner.uid, owner.gid), owner);
    }
    case "supervised":
      return {
        kind,
        owner: null,
        watchesStdin: true,
        wrap: (argv) => [...argv],
        wrapServer: (argv) => ["sh", "-c", SUPERVISOR, "sh", ...argv],
      };
  }
}

/**
 * The ways to run a server here, best first. PostgreSQL refuses uid 0, so root needs another face.
 * @param data owner of the data folder if a database stands in it; an ordinary user's data stays that user's
 * @param only keep to these ways, in this order
 */
export function identities(
  data: { uid: number; gid: number } | null,
  only?: readonly IdentityKind[],
): readonly Identity[] {
  const isRoot = process.getuid?.() === 0;
  const kinds = only ?? (isRoot ? waysOfRoot(data) : waysOfUser());
  return kinds.map((kind) => make(kind, data, isRoot));
}

function waysOfRoot(data: { uid: number } | null): readonly IdentityKind[] {
  if (process.platform !== "linux") return [];
  if (data !== null && data.uid !== 0 && data.uid !== NOBODY) return ["owner"];
  return ["namespace", "nobody", "nobody-override"];
}

function waysOfUser(): readonly IdentityKind[] {
  if (process.platform === "win32") return [];
  if (process.platform !== "linux") return ["supervised"];
  const ways: IdentityKind[] = existsSync("/usr/bin/setpriv") ? ["direct", "supervised"] : ["supervised"];
  return hasName() ? ways : ["namespace", ...ways];
}

function hasName(): boolean {
  try {
    return userInfo().username !== "";
  } catch {
    return false;
  }
}
