import {
  type DescMessage,
  type DescMethod,
  getExtension,
  hasExtension,
  type Message,
} from "@bufbuild/protobuf";
import { access } from "../../gen/sluice/v1/access_pb.ts";

/** What calls of a method are in the audit log. */
export interface MethodAction {
  /** `group.verb`, as `jobs.create`. */
  readonly action: string;
  /** As `job`; empty if the call is not about one kind of thing. */
  readonly resourceType: string;
  /** Where its id stands, in words; empty if nowhere. */
  readonly idFrom: string;
  /** The id of the thing, as far as request and response tell it. */
  resourceId(request: Message | null, response: Message | null): string;
}

const GROUPS_OF_ONE: Readonly<Record<string, string>> = {
  queue: "queue",
  audit: "audit_log",
  auth: "",
  system: "",
};

/**
 * By the name of the method, unless its `(sluice.v1.access)` says otherwise: the verb, after `Batch` with it, and the
 * plural of the rest; without a rest the group is the service.
 */
export function actionOf(method: DescMethod): MethodAction {
  const { options } = method.proto;
  const said = options && hasExtension(options, access) ? getExtension(options, access) : undefined;
  const action = said?.action || actionByName(method);
  const group = action.slice(0, action.indexOf("."));
  const resourceType = said?.resource || (GROUPS_OF_ONE[group] ?? singular(group));
  const read = readerOf(method, resourceType, said?.resourceField ?? "");
  return { action, resourceType, ...read };
}

function actionByName({ name, parent }: DescMethod): string {
  const [first = "", ...rest] = name.match(/[A-Z][a-z0-9]*/g)?.map((word) => word.toLowerCase()) ?? [];
  // Services of others, as reflection, are about themselves.
  if (!parent.typeName.startsWith("sluice."))
    return `${parent.file.name.split("/")[0]}.${[first, ...rest].join("_")}`;
  const verb = first === "batch" ? `batch_${rest.shift()}` : first;
  return `${rest.length > 0 ? plural(rest.join("_")) : serviceGroup(parent.name)}.${verb}`;
}

function serviceGroup(service: string): string {
  return service.replace(/Service$/, "").toLowerCase();
}

function plural(noun: string): string {
  if (noun.endsWith("s")) return noun;
  return /[^aeiou]y$/.test(noun) ? `${noun.slice(0, -1)}ies` : `${noun}s`;
}

function singular(noun: string): string {
  return noun.endsWith("ies") ? `${noun.slice(0, -3)}y` : noun.replace(/s$/, "");
}

type Reader = Pick<MethodAction, "idFrom" | "resourceId">;

function readerOf({ input, output }: DescMethod, resourceType: string, said: string): Reader {
  const ofRequest = textField(input, said || "id") ?? (said ? null : textField(input, `${resourceType}_id`));
  const inside = output.fields.find(({ name, message }) => message && name === resourceType)?.message;
  const nested = inside && textField(inside, "id");
  const flat = textField(output, `${resourceType}_id`);
  const ofResponse = nested ? `${resourceType}.id` : flat ? flat : null;
  const places = [ofRequest && `request ${ofRequest}`, ofResponse && `answer ${ofResponse}`];
  return {
    idFrom: places.filter(Boolean).join(", else "),
    resourceId(request, response) {
      const asked = request && ofRequest ? valueAt(input, request, ofRequest) : "";
      if (asked || !response || !ofResponse) return asked;
      return valueAt(output, response, ofResponse);
    },
  };
}

function textField(message: DescMessage, name: string): string | null {
  const field = message.fields.find((candidate) => candidate.name === name);
  return field?.fieldKind === "scalar" ? field.name : null;
}

function valueAt(desc: DescMessage, message: Message, path: string): string {
  const [name = "", next] = path.split(".");
  const field = desc.fields.find((candidate) => candidate.name === name);
  if (!field) return "";
  const value: unknown = (message as unknown as Record<string, unknown>)[field.localName];
  if (next === undefined) return String(value ?? "");
  return field.message && value ? valueAt(field.message, value as Message, next) : "";
}
