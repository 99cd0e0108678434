import { readdirSync } from "node:fs";
import { type DescFile, type DescMethod, getOption } from "@bufbuild/protobuf";
import { access } from "../../../gen/sluice/v1/access_pb.ts";
import { ALL_PERMISSIONS } from "../../../src/auth/permissions.ts";

const FOLDER = new URL("../../../gen/sluice/v1/", import.meta.url);

/** Every method of `sluice.v1`, read from the generated files, so that a new service is among them by itself. */
export const METHODS: readonly DescMethod[] = (
  await Promise.all(
    readdirSync(FOLDER)
      .filter((name) => name.endsWith("_pb.ts"))
      .map((name) => import(new URL(name, FOLDER).href) as Promise<Record<string, unknown>>),
  )
)
  .flatMap((module) => Object.entries(module))
  .filter(([name]) => name.startsWith("file_"))
  .flatMap(([, file]) => (file as DescFile).services)
  .flatMap(({ methods }) => methods);

/** `JobsService.GetJob` */
export function nameOf(method: DescMethod): string {
  return `${method.parent.name}.${method.name}`;
}

export function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

/** The permission that the method wants; null if anybody may call it. */
export function permissionOf(method: DescMethod): string | null {
  const { rule } = getOption(method, access);
  return rule.case === "permission" ? rule.value : null;
}

/** True if the permission is about one's own objects, and `:any` about everybody's. */
export function isAboutOwn(permission: string): boolean {
  return ALL_PERMISSIONS.includes(`${permission}:any`);
}

export function answersOnce({ methodKind }: DescMethod): boolean {
  return methodKind === "unary" || methodKind === "client_streaming";
}
