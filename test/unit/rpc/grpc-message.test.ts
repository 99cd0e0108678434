import { expect, test } from "vitest";
import { spellGrpcMessage } from "../../../src/rpc/grpc-message.ts";

test.each([
  ["a; b, c/d?e=f:g@h&i+j$k#l", "a; b, c/d?e=f:g@h&i+j$k#l"],
  ["100% of ü\n", "100%25 of %C3%BC%0A"],
  ["%3B stays what it is", "%253B stays what it is"],
])("grpc-message of %j is spelt as the specification says", (message, spelt) => {
  const headers = new Headers();
  spellGrpcMessage(headers);
  headers.set("Grpc-Message", encodeURIComponent(message));
  expect(headers.get("grpc-message")).toBe(spelt);
  expect(decodeURIComponent(spelt)).toBe(message);
});
