import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { BREAKS } from "../../attack/broken.ts";
import { readOptions } from "../../attack/options.ts";

test.each(Object.entries(BREAKS))(
  "the guard `%s` stands where `--without` takes it away",
  (_, { file, sound }) => {
    const text = readFileSync(new URL(`../../../${file}`, import.meta.url), "utf8");
    expect(text.split(sound)).toHaveLength(2);
  },
);

test("a guard that nobody knows is no option", () => {
  expect(() => readOptions(["--without", "everything"])).toThrow(/must be one of: permissions/);
  expect(readOptions(["--cut", "--only", "login"])).toMatchObject({ judgesTime: false, only: "login" });
});
