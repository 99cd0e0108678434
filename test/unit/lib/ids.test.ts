import { expect, test } from "vitest";
import { isUuid, newId } from "../../../src/lib/ids.ts";

test("ids are UUIDv7 and sort in the order they were made, within one millisecond and when the clock goes back", () => {
  const start = Date.now() + 3_600_000;
  const times = [...Array(10_000).fill(start), start - 5_000, start - 1, start, start + 1];
  const ids = times.map((time) => newId(time));
  for (const id of ids)
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect([...ids].sort()).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
});

test("what of an id is neither time nor counter is drawn anew for each, so that those of other processes are others", () => {
  const drawn = Array.from({ length: 1_000 }, () => newId().slice(19));
  expect(new Set(drawn).size).toBe(drawn.length);
});

test("an id carries the millisecond at which it was made", () => {
  const time = Date.now() + 7_200_000;
  expect(Number.parseInt(newId(time).replaceAll("-", "").slice(0, 12), 16)).toBe(time);
});

test("only the textual form of a UUID is taken for one", () => {
  expect(isUuid(newId())).toBe(true);
  expect(isUuid("00000000-0000-7000-8000-00000000000A")).toBe(true);
  for (const text of ["", "x", `${newId()} `, `{${newId()}}`, newId().replaceAll("-", "")])
    expect(isUuid(text)).toBe(false);
});
