import {
  type DescField,
  type DescMessage,
  getOption,
  hasOption,
  type Message,
  ScalarType,
} from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { Ignore, field as rulesOfField } from "../../gen/buf/validate/validate_pb.ts";
import type { FieldFault } from "../lib/errors.ts";
import { isStorable } from "../lib/storable.ts";

const TEXT = "must not contain U+0000 or half of a surrogate pair";
const TIME = "must be a time of the years 1 to 9999";
/** In seconds, as protobuf bounds them; only JSON holds clients to it. */
const [FIRST, LAST] = [-62_135_596_800n, 253_402_300_799n];

/**
 * The fields of a request whose text or time no database column takes. Passed over: text without a greatest length, which
 * is a document's own, `Struct`s, and what its handler validates itself.
 */
export function unstorableFields(desc: DescMessage, message: Message): FieldFault[] {
  return within(reflect(desc, message), "");
}

function within(message: ReflectMessage, path: string): FieldFault[] {
  return message.fields.flatMap((field) => {
    if (!message.isSet(field)) return [];
    const at = path + field.name;
    if (field.fieldKind === "message" && field.message.typeName === TimestampSchema.typeName)
      return isTime(message.get(field).message as Timestamp) ? [] : [{ field: at, description: TIME }];
    if (isPassedOver(field)) return [];
    return textsOf(message, field).every(isStorable)
      ? messagesOf(message, field).flatMap((inner, i) =>
          within(inner, `${at}${field.fieldKind === "list" ? `[${i}]` : ""}.`),
        )
      : [{ field: at, description: TEXT }];
  });
}

function isTime({ seconds, nanos }: Timestamp): boolean {
  return seconds >= FIRST && seconds <= LAST && nanos >= 0 && nanos <= 999_999_999;
}

const passedOver = new WeakMap<DescField, boolean>();

/** Kept, since the options of a field are read from their bytes each time. */
function isPassedOver(field: DescField): boolean {
  const known = passedOver.get(field);
  if (known !== undefined) return known;
  const is = saysPassOver(field);
  passedOver.set(field, is);
  return is;
}

function saysPassOver(field: DescField): boolean {
  if (field.message && !field.message.typeName.startsWith("sluice.")) return true;
  if (!hasOption(field, rulesOfField)) return false;
  const { ignore, type } = getOption(field, rulesOfField);
  const items = type.case === "repeated" ? type.value.items : undefined;
  if (ignore === Ignore.ALWAYS || items?.ignore === Ignore.ALWAYS) return true;
  return type.case === "string" && type.value.minLen > 0n && type.value.maxLen === 0n && !type.value.pattern;
}

function textsOf(message: ReflectMessage, field: DescField): string[] {
  const isText = field.scalar === ScalarType.STRING;
  if (field.fieldKind === "scalar") return isText ? [message.get(field) as string] : [];
  if (field.fieldKind === "list") return isText ? ([...message.get(field)] as string[]) : [];
  if (field.fieldKind !== "map") return [];
  const entries = [...message.get(field)];
  return entries.flatMap(([key, value]) => [String(key), ...(isText ? [value as string] : [])]);
}

function messagesOf(message: ReflectMessage, field: DescField): ReflectMessage[] {
  if (field.fieldKind === "message") return [message.get(field)];
  if (field.fieldKind === "list" && field.listKind === "message")
    return [...message.get(field)] as ReflectMessage[];
  return [];
}
