import type { DescMethod } from "@bufbuild/protobuf";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ALL_PERMISSIONS } from "../../src/auth/permissions.ts";
import { type BadCredentials, badCredentials } from "../support/contract/bad-credentials.ts";
import { compareForeign, foreignCases } from "../support/contract/foreign.ts";
import { idFieldsOf, type Resource } from "../support/contract/ids.ts";
import { make } from "../support/contract/makers.ts";
import { METHODS, nameOf, permissionOf } from "../support/contract/methods.ts";
import { fill } from "../support/contract/requests.ts";
import { type Person, type Stand, startStand } from "../support/contract/stand.ts";
import { type Answer, allWires, type Wire } from "../support/contract/wires.ts";
import { inParallel } from "../support/parallel.ts";

// Every method of the contract × every credential that is good for nothing or not for it × every protocol. A new method
// is among them by itself; one that names a kind of object that nobody here can make fails.

const AT_ONCE = 24;
/** A stream that has nothing to tell so far is open all the same. */
const PATIENCE_MS = 3_000;
let stand: Stand;
let wires: Wire[];
let bad: BadCredentials;

beforeAll(async () => {
  stand = await startStand();
  wires = allWires(stand.port);
  bad = await badCredentials(stand);
});
afterAll(async () => {
  for (const wire of wires ?? []) wire.close();
  await stand?.[Symbol.asyncDispose]();
});

const guarded = METHODS.filter((method) => permissionOf(method) !== null);
let words = 0;
const word = (): string => `w${++words}x${Date.now().toString(36)}`;
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** A valid request with these ids in it. */
function requestOf(method: DescMethod, ids: ReadonlyMap<Resource, string> = new Map(), person?: Person) {
  const known = new Map(idFieldsOf(method).map(({ field, resource }) => [field, ids.get(resource)]));
  const own: Readonly<Record<string, string | undefined>> = {
    current_password: person?.password,
    password: method.name === "Login" ? person?.password : undefined,
    refresh_token: person?.refreshToken,
    email: method.name === "Login" ? person?.email : undefined,
  };
  return fill(method.input, {
    all: false,
    id: (field) => known.get(field),
    word: ({ name }) => own[name] ?? word(),
  });
}

/** Keys of the administrator with every permission there is but the one that the method wants. */
async function keysWithout(): Promise<ReadonlyMap<string, string>> {
  const wanted = [...new Set(guarded.map((method) => permissionOf(method) ?? ""))];
  const secrets = await Promise.all(
    wanted.map(async (permission) => {
      const permissions = ALL_PERMISSIONS.filter((each) => each.replace(/:any$/, "") !== permission);
      const { secret } = await stand.admin.client.auth.createApiKey({ name: word(), permissions });
      return [permission, secret] as const;
    }),
  );
  return new Map(secrets);
}

interface Cell {
  readonly method: DescMethod;
  readonly wire: Wire;
  readonly credential: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly withBody: boolean;
  readonly expected: string;
}

test("every method refuses whoever has no good credential or not its permission, over every protocol, before it has a body", async () => {
  const without = await keysWithout();
  const cells: Cell[] = guarded.flatMap((method) => {
    const wrongRole = bearer(without.get(permissionOf(method) ?? "") ?? "");
    const rows = [
      ...[...bad].map(([credential, headers]) => ({ credential, headers, expected: "unauthenticated" })),
      { credential: "every other permission", headers: wrongRole, expected: "permission_denied" },
    ];
    const bodies = (credential: string) => [true, ...(/^(no|every)/.test(credential) ? [false] : [])];
    return wires.flatMap((wire) =>
      rows.flatMap((row) => bodies(row.credential).map((withBody) => ({ method, wire, ...row, withBody }))),
    );
  });
  const wrong: string[] = [];
  await inParallel(AT_ONCE, cells, async ({ method, wire, credential, headers, withBody, expected }) => {
    const { code } = await wire.call({ method, headers, request: withBody ? requestOf(method) : null });
    const how = withBody ? "" : ", body withheld";
    if (code !== expected)
      wrong.push(`${nameOf(method)}, ${wire.name}, ${credential}${how}: ${code}, not ${expected}`);
  });
  expect(wrong).toEqual([]);
  expect(cells.length).toBe(guarded.length * wires.length * (bad.size + 1 + 2));
});

test("what belongs to somebody else answers, byte for byte, as what does not exist", async () => {
  const cases = foreignCases();
  expect(await compareForeign({ alice: stand.alice, bob: stand.bob, wires, cases })).toEqual([]);
  expect(cases.length).toBeGreaterThan(15);
});

test("whoever may call is served, by all methods", async () => {
  const { admin } = stand;
  const json = wires.find(({ name }) => name === "JSON")!;
  const wrong: string[] = [];
  // Those about the caller itself end sessions.
  const own = METHODS.filter((method) => /^account:update$|^$/.test(permissionOf(method) ?? ""));
  const call = async (method: DescMethod, person: Person): Promise<void> => {
    const resources = [
      ...new Set(
        idFieldsOf(method)
          .filter(isFilled)
          .map(({ resource }) => resource),
      ),
    ];
    const made = await Promise.all(resources.map(async (each) => [each, await make(each, admin)] as const));
    const ids = new Map(made);
    const headers = permissionOf(method) === null ? {} : bearer(person.accessToken);
    const answer = await json.call({
      method,
      headers,
      request: requestOf(method, ids, person),
      patienceMs: PATIENCE_MS,
    });
    if (!isServed(answer)) wrong.push(`${nameOf(method)}: ${answer.code}: ${answer.error}`);
  };
  await inParallel(
    AT_ONCE,
    METHODS.filter((method) => !own.includes(method)),
    (method) => call(method, admin),
  );
  for (const method of own) await call(method, await stand.login(stand.bob));
  expect(wrong).toEqual([]);
});

const isFilled = ({
  isDirect,
  field,
}: {
  isDirect: boolean;
  field: { name: string; oneof?: unknown; parent: { name: string } };
}): boolean =>
  isDirect &&
  !field.oneof &&
  field.name !== "pipeline_id" &&
  // Keys are made for oneself, or for service accounts only.
  field.parent.name !== "CreateApiKeyRequest";

/** Refused at most for the state of what it is about: no worker has run the job, no bytes came with the header. */
function isServed({ code, error }: Answer): boolean {
  return ["ok", "failed_precondition"].includes(code) || /RESULT_NOT_READY|DOCUMENT_EMPTY/.test(error);
}
