import { expect, test } from "vitest";
import { connectionFindings, durabilityFindings } from "../../../src/doctor/database.ts";
import { spaceFindings } from "../../../src/doctor/storage.ts";

// What cannot be broken on the database and the disk of a test.

const MIB = 1024 ** 2;
const place = { name: "the data folder", path: "/var/lib/sluice" };

test("each setting that gives up durability is a fault that says what it risks", () => {
  const on = { fsync: "on", full_page_writes: "on", synchronous_commit: "on" };
  expect(durabilityFindings(on)).toMatchObject([{ level: "ok" }]);
  for (const setting of ["local", "remote_write", "remote_apply"]) {
    expect(durabilityFindings({ ...on, synchronous_commit: setting })).toMatchObject([{ level: "ok" }]);
  }
  for (const name of Object.keys(on)) {
    expect(durabilityFindings({ ...on, [name]: "off" })).toMatchObject([
      { level: "fault", code: "DURABILITY_OFF", message: expect.stringContaining(`${name} is off: a crash`) },
    ]);
  }
});

test("fewer than ten free connections are a warning", () => {
  expect(connectionFindings({ used: 87, most: 97 })).toMatchObject([{ level: "ok" }]);
  expect(connectionFindings({ used: 88, most: 97 })).toMatchObject([
    { level: "warn", code: "CONNECTIONS_FEW", message: "88 of 97 connections are used, 9 are left" },
  ]);
  expect(connectionFindings({ used: 99, most: 97 })).toMatchObject([{ count: 0 }]);
});

test("little space is a warning, next to none a fault, and so it is with files", () => {
  const space = (mib: number, freeFiles: number | null = null) =>
    spaceFindings(place, { freeBytes: mib * MIB, freeFiles })[0];
  expect(space(2048)).toBeUndefined();
  expect(space(2047)).toMatchObject({ level: "warn", message: expect.stringContaining("/var/lib/sluice") });
  expect(space(199)).toMatchObject({ level: "fault" });
  expect(space(4096, 10_000)).toBeUndefined();
  expect(space(4096, 9_999)).toMatchObject({ level: "warn", code: "DISK_FILES_LOW" });
  expect(space(4096, 0)).toMatchObject({ level: "fault" });
});
