import {
  create,
  type DescField,
  type DescMessage,
  fromJson,
  getOption,
  hasOption,
  type Message,
  ScalarType,
} from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import {
  DurationSchema,
  StructSchema,
  type Timestamp,
  TimestampSchema,
  timestampFromMs,
} from "@bufbuild/protobuf/wkt";
import { message as messageRules } from "../../../gen/buf/validate/validate_pb.ts";
import { fits, isNeeded, isRequired, rulesOf } from "./rules.ts";

/** What stands in a request that is made from its descriptor. */
export interface Filling {
  /** Every field, not only those without which the request is refused. */
  readonly all: boolean;
  /** An id for the field; undefined if it holds none, or none is wanted. */
  id(field: DescField): string | undefined;
  /** A word for the field, of lower-case letters and digits; of a map, for a key or for a value. */
  word(field: DescField, isKey?: boolean): string;
}

/** What no rule of the contract says: values that the service knows. */
const KNOWN: Readonly<Record<string, (word: string) => string>> = {
  "sluice.v1.Stage.when": (word) => `document.filename != "${word}"`,
  "sluice.v1.ExtractStage.languages": () => "eng",
  "sluice.v1.CreateUserRequest.roles": () => "viewer",
  "sluice.v1.UpdateUserRequest.roles": () => "viewer",
};
/** Fields that no rule of the contract asks for, and the service does. */
const NEEDED = new Set(["sluice.v1.CreateUserRequest.password"]);
/** Fields that no valid request has. */
const LEFT_OUT = new Set([
  "sluice.v1.Stage.custom",
  "sluice.v1.Stage.name",
  "sluice.v1.CreateJobRequest.pipeline_version",
]);
/** Forms of text that the rules of the contract ask for; the first that keeps the rules is taken. */
const FORMS: readonly ((word: string) => string)[] = [
  (word) => word,
  (word) => `n${word}`.slice(0, 60),
  (word) => `${word}@example.org`,
  (word) => `https://canary.example.org/${word}`,
  () => "jobs:read",
  () => "job.completed",
  () => "eng",
  () => "203.0.113.9",
  () => "ab".repeat(32),
  () => "0198c0de-0000-7000-8000-00000000dead",
];
const DAY_MS = 86_400_000;
const MAX_DEPTH = 6;

/** A request of the type, valid as far as descriptors can tell. */
export function fill(desc: DescMessage, filling: Filling, depth = 0): Message {
  const target = reflect(desc, create(desc));
  const choices = choicesOf(desc);
  for (const field of desc.fields) {
    if (field.oneof || LEFT_OUT.has(nameOf(field))) continue;
    const choice = choices.find(({ names }) => names.includes(field.name));
    const wanted = choice
      ? choice.names[0] === field.name && (filling.all || choice.required)
      : filling.all ||
        isNeeded(field) ||
        NEEDED.has(nameOf(field)) ||
        field.message?.typeName === "sluice.v1.PipelineConfig";
    const id = filling.id(field);
    if (id !== undefined) setText(target, field, id);
    else if (wanted && depth < MAX_DEPTH) put(target, field, filling, depth);
  }
  for (const oneof of desc.oneofs) {
    const [first] = oneof.fields;
    const named = oneof.fields.find((field) => filling.id(field) !== undefined);
    if (named) setText(target, named, filling.id(named) ?? "");
    else if (first && (filling.all || isRequired(oneof))) put(target, first, filling, depth);
  }
  return target.message;
}

/** `sluice.v1.Stage.when` */
function nameOf(field: DescField): string {
  return `${field.parent.typeName}.${field.name}`;
}

/** Groups of fields of which a message takes one. */
function choicesOf(desc: DescMessage): { names: string[]; required: boolean }[] {
  if (!hasOption(desc, messageRules)) return [];
  return getOption(desc, messageRules).oneof.map(({ fields, required }) => ({ names: fields, required }));
}

function put(target: ReflectMessage, field: DescField, filling: Filling, depth: number): void {
  switch (field.fieldKind) {
    case "scalar":
    case "enum":
      target.set(field, simpleOf(field, filling) as never);
      return;
    case "message":
      target.set(field, messageOf(field.message, field, filling, depth));
      return;
    case "list": {
      const list = target.get(field);
      if (field.listKind !== "message") list.add(simpleOf(field, filling) as never);
      else for (const each of variantsOf(field.message, field, filling, depth)) list.add(each);
      return;
    }
    case "map": {
      const key = textOf(field, { ...filling, word: () => filling.word(field, true) });
      target.get(field).set(key as never, scalarOf(field.scalar, field, filling) as never);
    }
  }
}

/** One message; of stages, which are of many kinds, those that make a pipeline, or one of each kind. */
function variantsOf(desc: DescMessage, field: DescField, filling: Filling, depth: number): ReflectMessage[] {
  const kinds = desc.oneofs.find(({ name }) => name === "type");
  if (!kinds) return [messageOf(desc, field, filling, depth)];
  return kinds.fields
    .filter((kind) => (filling.all ? !LEFT_OUT.has(nameOf(kind)) : ["detect", "extract"].includes(kind.name)))
    .map((kind) => {
      const each = reflect(desc, fill(desc, filling, depth + 1));
      for (const other of kinds.fields) if (each.isSet(other)) each.clear(other);
      put(each, kind, filling, depth + 1);
      // It has no document yet, and may not be skipped.
      if (kind.name === "fetch") for (const name of ["when", "on_failure"]) clear(each, name);
      return each;
    });
}

function clear(target: ReflectMessage, name: string): void {
  const field = target.desc.fields.find((each) => each.name === name);
  if (field) target.clear(field);
}

function messageOf(desc: DescMessage, field: DescField, filling: Filling, depth: number): ReflectMessage {
  switch (desc.typeName) {
    case "google.protobuf.Timestamp":
      return reflect(TimestampSchema, timeOf(field));
    case "google.protobuf.Duration":
      return reflect(DurationSchema, create(DurationSchema, { seconds: 60n }));
    case "google.protobuf.Struct":
      return reflect(StructSchema, fromJson(StructSchema, { [filling.word(field)]: filling.word(field) }));
    default:
      return reflect(desc, fill(desc, filling, depth + 1));
  }
}

/** Tomorrow: jobs wait and keys are good until then. What filters ask for begins yesterday. */
function timeOf(field: DescField): Timestamp {
  const begins = ["start_time", "created_after", "since"].includes(field.name);
  return timestampFromMs(Date.now() + (begins ? -DAY_MS : DAY_MS));
}

function simpleOf(field: DescField, filling: Filling): unknown {
  return field.enum ? 1 : scalarOf(field.scalar, field, filling);
}

function scalarOf(scalar: ScalarType | undefined, field: DescField, filling: Filling): unknown {
  switch (scalar) {
    case ScalarType.STRING:
      return textOf(field, filling);
    case ScalarType.BYTES:
      return Buffer.from(filling.word(field));
    case ScalarType.BOOL:
      return false;
    case ScalarType.INT64:
      return 0n;
    case ScalarType.DOUBLE:
      return 1;
    default:
      return field.name === "page_size" || field.name === "max_jobs" ? 1 : 0;
  }
}

function textOf(field: DescField, filling: Filling): string {
  const id = filling.id(field);
  if (id !== undefined) return id;
  const word = filling.word(field);
  const known = KNOWN[nameOf(field)];
  if (known) return known(word);
  // Of the page before; there is none.
  if (field.name === "page_token") return "";
  const rules = stringRulesOf(field);
  const form = FORMS.find((each) => fits(rules, each(word)));
  if (!form) throw new Error(`no text is known that ${field} takes; add a form to test/support/contract`);
  return form(word);
}

function setText(target: ReflectMessage, field: DescField, text: string): void {
  if (field.fieldKind === "list") target.get(field).add(text as never);
  else target.set(field, text as never);
}

function stringRulesOf(field: DescField) {
  const type = rulesOf(field)?.type;
  if (type?.case === "string") return type.value;
  const inner =
    type?.case === "repeated" ? type.value.items : type?.case === "map" ? type.value.keys : undefined;
  return inner?.type.case === "string" ? inner.type.value : undefined;
}
