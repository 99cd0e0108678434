import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Any, AnySchema, anyPack } from "@bufbuild/protobuf/wkt";
import type { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { type ErrorScope, toConnectError } from "./errors.ts";

/** A failure as a message, for answers that carry one for each item: the same code and details as a call's. */
export function toStatus(error: unknown, scope: ErrorScope): MessageInitShape<typeof StatusSchema> {
  const failure = toConnectError(error, scope);
  const details = failure.details.map(
    (detail): Any =>
      "desc" in detail
        ? anyPack(detail.desc, create(detail.desc, detail.value))
        : create(AnySchema, { typeUrl: `type.googleapis.com/${detail.type}`, value: detail.value }),
  );
  return { code: failure.code, message: failure.rawMessage, details };
}
