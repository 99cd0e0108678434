import { type DescMethod, toBinary } from "@bufbuild/protobuf";
import { inParallel } from "../parallel.ts";
import { type IdField, idFieldsOf, OWNED, type Resource } from "./ids.ts";
import { make, unknownLike } from "./makers.ts";
import { isAboutOwn, METHODS, nameOf, permissionOf } from "./methods.ts";
import { fill } from "./requests.ts";
import type { Person } from "./stand.ts";
import type { Answer, Wire } from "./wires.ts";

/** A field by which a caller can name what belongs to somebody else. */
export interface ForeignCase extends IdField {
  readonly method: DescMethod;
}

const AT_ONCE = 16;

/** Every field of every method that names something with an owner. */
export function foreignCases(): ForeignCase[] {
  return METHODS.filter((method) => isAboutOwn(permissionOf(method) ?? ""))
    .flatMap((method) => idFieldsOf(method).map((named) => ({ method, ...named })))
    .filter(({ resource }) => OWNED.has(resource));
}

/**
 * Lets Bob name what is Alice's, and what does not exist: both must answer the same, byte for byte. Answers what did not.
 */
export async function compareForeign(deps: {
  readonly alice: Person;
  readonly bob: Person;
  readonly wires: readonly Wire[];
  readonly cases: readonly ForeignCase[];
}): Promise<string[]> {
  const { alice, bob, wires, cases } = deps;
  const wrong: string[] = [];
  await inParallel(AT_ONCE, cases, async ({ method, field, resource, isDirect }) => {
    const id = await make(resource, alice);
    const isFilter = !isDirect || method.name.startsWith("List");
    const expected = isFilter ? "" : "not_found";
    for (const wire of wires) {
      const ask = async (named: string): Promise<string> => {
        const request = requestWith(method, resource, named);
        const headers = { authorization: `Bearer ${bob.accessToken}`, "x-request-id": "the-same" };
        return shown(method, await wire.call({ method, headers, request })).replaceAll(named, "ID");
      };
      const [theirs, nobodys] = [await ask(id), await ask(unknownLike(id))];
      const place = `${nameOf(method)}, ${field.name}, ${wire.name}`;
      if (theirs !== nobodys) wrong.push(`${place}: ${theirs}\nbut of one that does not exist: ${nobodys}`);
      if (!theirs.startsWith(expected)) wrong.push(`${place}: ${theirs}, not ${expected}`);
    }
  });
  return wrong;
}

function requestWith(method: DescMethod, resource: Resource, id: string) {
  const named = new Set(
    idFieldsOf(method).flatMap((each) => (each.resource === resource ? [each.field] : [])),
  );
  return fill(method.input, {
    all: false,
    id: (field) => (named.has(field) ? id : undefined),
    word: () => "word",
  });
}

function shown(method: DescMethod, { code, error, message }: Answer): string {
  const bytes = message ? Buffer.from(toBinary(method.output, message)).toString("latin1") : "";
  return `${code}: ${error}${bytes}`;
}
