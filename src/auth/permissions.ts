/** What can be asked for, by resource. `owned`: the objects have owners, so there is an `:any` form too. */
const CATALOGUE = {
  account: { verbs: ["read", "update"], owned: false },
  api_keys: { verbs: ["create", "read", "delete"], owned: true },
  audit: { verbs: ["read"], owned: true },
  documents: { verbs: ["create", "read"], owned: true },
  jobs: { verbs: ["create", "read", "cancel", "delete"], owned: true },
  pipelines: { verbs: ["create", "read", "update", "delete"], owned: false },
  results: { verbs: ["read"], owned: true },
  roles: { verbs: ["create", "read", "update", "delete"], owned: false },
  system: { verbs: ["read", "update"], owned: false },
  users: { verbs: ["create", "read", "update"], owned: false },
  webhooks: { verbs: ["create", "read", "update", "delete"], owned: true },
} as const;

type Resource = keyof typeof CATALOGUE;

/** Every permission there is, with the `:any` forms, sorted. */
export const ALL_PERMISSIONS: readonly string[] = (Object.keys(CATALOGUE) as Resource[])
  .flatMap((resource) => all(resource, CATALOGUE[resource].owned))
  .sort();

const KNOWN: ReadonlySet<string> = new Set(ALL_PERMISSIONS);

const ACCOUNT = all("account");
const READ_OWN = [
  "api_keys:read",
  "documents:read",
  "jobs:read",
  "pipelines:read",
  "results:read",
  "system:read",
  "webhooks:read",
];
const DEVELOPER = [
  ...ACCOUNT,
  ...READ_OWN,
  ...all("api_keys"),
  ...all("documents"),
  ...all("jobs"),
  ...all("results"),
  ...all("webhooks"),
];

/** The roles that come with the program, and what they may. */
export const BUILTIN_ROLES: ReadonlyMap<
  string,
  { readonly description: string; readonly permissions: readonly string[] }
> = new Map([
  role("viewer", "Reads what is its own.", [...ACCOUNT, ...READ_OWN]),
  role("developer", "Runs jobs, and keeps webhooks and API keys of its own.", DEVELOPER),
  role("operator", "Runs the service: everybody's jobs, results and webhooks, pipelines, the queue.", [
    ...DEVELOPER,
    ...all("documents", true),
    ...all("jobs", true),
    ...all("pipelines"),
    ...all("results", true),
    ...all("system"),
    ...all("webhooks", true),
  ]),
  role("auditor", "Reads the audit log, and nothing else.", [...ACCOUNT, ...all("audit", true)]),
  role("admin", "Everything.", ALL_PERMISSIONS),
]);

/** What holders of `roles` may do now; `custom` holds the permissions of their custom roles. */
export function permissionsOf(roles: readonly string[], custom: readonly string[]): ReadonlySet<string> {
  const builtin = roles.flatMap((name) => BUILTIN_ROLES.get(name)?.permissions ?? []);
  return widen([...builtin, ...custom.filter((permission) => KNOWN.has(permission))]);
}

/**
 * What a token of an external issuer does not give, whatever its roles are: what it stands for is kept by its issuer, and
 * a key made with it would outlive the roles that come with each token.
 */
const NOT_EXTERNAL: ReadonlySet<string> = new Set([
  "account:update",
  "api_keys:create",
  "api_keys:create:any",
]);

/** What a token of an external issuer may do that gives `roles`. */
export function externalPermissionsOf(
  roles: readonly string[],
  custom: readonly string[],
): ReadonlySet<string> {
  return permissionsOf(roles, custom).difference(NOT_EXTERNAL);
}

/** Both: what a key was given, as far as its owner may do it now. */
export function intersect(key: readonly string[], owner: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...widen(key)].filter((permission) => owner.has(permission)));
}

/** Those of `wanted` that `held` does not cover, or that do not exist. */
export function beyond(wanted: readonly string[], held: ReadonlySet<string>): string[] {
  return wanted.filter((permission) => !KNOWN.has(permission) || !widen([...held]).has(permission));
}

/** `x:y:any` covers `x:y`. */
function widen(permissions: readonly string[]): ReadonlySet<string> {
  return new Set(permissions.flatMap((permission) => [permission, permission.replace(/:any$/, "")]));
}

function all(resource: Resource, any = false): string[] {
  const own = CATALOGUE[resource].verbs.map((verb) => `${resource}:${verb}`);
  return any ? own.flatMap((permission) => [permission, `${permission}:any`]) : own;
}

function role(name: string, description: string, permissions: readonly string[]) {
  return [name, { description, permissions: [...new Set(permissions)].sort() }] as const;
}
