import { expect, test } from "vitest";
import { readOptions } from "../../attack/options.ts";

test("a guard that nobody knows is no option", () => {
  expect(() => readOptions(["--without", "everything"])).toThrow(/must be one of: permissions/);
  expect(readOptions(["--cut", "--only", "login"])).toMatchObject({ judgesTime: false, only: "login" });
});

test("a guard is taken from a server of one's own alone", () => {
  expect(() => readOptions(["--without", "links", "--url", "https://sluice.example.org"])).toThrow("--url");
});
