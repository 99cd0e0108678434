import { create, type DescMessage, type DescService, type Message } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator } from "@bufbuild/protovalidate";
import { type FieldFault, InvalidRequestError } from "../lib/errors.ts";
import { unstorableFields } from "./unstorable.ts";

export interface RequestValidator {
  /** @throws InvalidRequestError naming every fault of the message */
  check(desc: DescMessage, message: Message): void;
  /** Every fault of the message, with its path; none = it keeps its rules. */
  faults(desc: DescMessage, message: Message): FieldFault[];
  /** Plans the rules of every request of the services, so that no caller waits for it. */
  warm(services: readonly DescService[]): void;
}

/** Checks requests against the `buf.validate` rules of their contract. */
export function createRequestValidator(): RequestValidator {
  const validator = createValidator();
  const faults = (desc: DescMessage, message: Message): FieldFault[] => {
    const result = validator.validate(desc, message);
    if (result.kind === "valid") return unstorableFields(desc, message);
    if (result.kind === "error") throw result.error;
    return result.violations.map((violation) => ({
      field: pathToString(violation.field),
      description: violation.message || violation.ruleId,
    }));
  };
  return {
    faults,
    check(desc, message) {
      const found = faults(desc, message);
      if (found.length > 0) throw new InvalidRequestError(found);
    },
    warm(services) {
      for (const service of services) {
        for (const { input } of service.methods) validator.validate(input, create(input));
      }
    },
  };
}
