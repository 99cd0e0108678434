import { randomBytes } from "node:crypto";
import type { DescField, DescMessage, Message } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";

/** A word that stands nowhere but where it was put. */
export interface Canary {
  readonly word: string;
  /** Where it was put. */
  readonly place: string;
  /** Must be found nowhere: it was a credential, a header, or in a field that is marked `debug_redact`. */
  readonly isSecret: boolean;
}

/** Shorter ones could stand anywhere by chance. */
const MIN_CHARS = 12;

/** Plants words, and remembers them. */
export function createCanaries() {
  const planted: Canary[] = [];
  const plant = (place: string, isSecret: boolean): string => {
    const word = `c${randomBytes(10).toString("hex")}`;
    planted.push({ word, place, isSecret });
    return word;
  };
  return {
    planted,
    /** The names of headers are shown, so of a map only values are secret. */
    inField: (field: DescField, isKey = false) =>
      plant(`${field.parent.typeName}.${field.name}`, isRedacted(field) && !isKey),
    inHeader: (name: string) => plant(`header ${name}`, true),
    /** Something secret that the service itself has made. */
    know(place: string, secret: string): void {
      if (secret.length >= MIN_CHARS) planted.push({ word: secret, place, isSecret: true });
    },
    /** Every secret of an answer. */
    knowAnswer(desc: DescMessage, message: Message): void {
      for (const { place, secret } of secretsOf(desc, message)) this.know(place, secret);
    },
  };
}

export function isRedacted(field: DescField): boolean {
  return field.proto.options?.debugRedact === true;
}

function secretsOf(desc: DescMessage, message: Message): { place: string; secret: string }[] {
  const target = reflect(desc, message);
  return desc.fields.flatMap((field) => {
    if (!target.isSet(field)) return [];
    const place = `answer ${desc.typeName}.${field.name}`;
    if (isRedacted(field)) return textsOf(target.get(field)).map((secret) => ({ place, secret }));
    const inner = field.message;
    if (!inner?.typeName.startsWith("sluice.")) return [];
    const value: unknown = target.get(field);
    const messages =
      field.fieldKind === "list"
        ? [...(value as Iterable<{ message: Message }>)]
        : [value as { message: Message }];
    return field.fieldKind === "map" ? [] : messages.flatMap((each) => secretsOf(inner, each.message));
  });
}

/** Of a signed link the signature alone is secret. */
function textsOf(value: unknown): string[] {
  if (typeof value !== "string") return [];
  const signature = URL.parse(value)?.searchParams.get("sig");
  return [signature ?? value];
}

/** Texts are long and words are many, so what looks like a planted word is looked for, and not each word. */
const WORD = /(?=(c[0-9a-f]{20}))/g;
const HEX_RUN = /(?:[0-9a-f]{2}){21,}/gi;
const BASE64_RUN = /[A-Za-z0-9+/_-]{28,}/g;

/** The planted words in a text: as they are, in hexadecimal (as `bytea` is shown), in base64 wherever they begin. */
function wordsIn(text: string): Set<string> {
  const decoded = [
    text,
    ...(text.match(HEX_RUN) ?? []).flatMap((run) =>
      [0, 1].map((at) => Buffer.from(run.slice(at), "hex").toString("latin1")),
    ),
    ...(text.match(BASE64_RUN) ?? []).flatMap((run) =>
      [0, 1, 2, 3].map((at) => Buffer.from(run.slice(at), "base64").toString("latin1")),
    ),
  ];
  return new Set(decoded.flatMap((each) => [...each.matchAll(WORD)].map(([, word = ""]) => word)));
}

/** The words and secrets that stand in one of the texts, with the name of the text. */
export function sightings(canaries: readonly Canary[], texts: ReadonlyMap<string, string>): string[] {
  return [...texts].flatMap(([name, text]) => {
    const words = wordsIn(text);
    return canaries
      .filter(({ word }) => words.has(word) || (!/^c[0-9a-f]{20}$/.test(word) && text.includes(word)))
      .map(({ place }) => `${place} in ${name}`);
  });
}
