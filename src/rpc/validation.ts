import { create, type DescMessage, type DescService, type Message } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator } from "@bufbuild/protovalidate";
import { InvalidRequestError } from "../lib/errors.ts";

export interface RequestValidator {
  /** @throws InvalidRequestError naming every fault of the message */
  check(desc: DescMessage, message: Message): void;
  /** Plans the rules of every request of the services, so that no caller waits for it. */
  warm(services: readonly DescService[]): void;
}

/** Checks requests against the `buf.validate` rules of their contract. */
export function createRequestValidator(): RequestValidator {
  const validator = createValidator();
  return {
    check(desc, message) {
      const result = validator.validate(desc, message);
      if (result.kind === "valid") return;
      if (result.kind === "error") throw result.error;
      throw new InvalidRequestError(
        result.violations.map((violation) => ({
          field: pathToString(violation.field),
          description: violation.message || violation.ruleId,
        })),
      );
    },
    warm(services) {
      for (const service of services) {
        for (const { input } of service.methods) validator.validate(input, create(input));
      }
    },
  };
}
