import { expect, test } from "vitest";
import { createFloodGate } from "../../../src/audit/floods.ts";

const admitted = (gate: ReturnType<typeof createFloodGate>, addresses: readonly string[]): number =>
  addresses.filter((ipAddress) => gate.admits({ userId: "", ipAddress })).length;

test("of each address twenty calls a minute are listed, and the others counted with their first and last time", () => {
  let ms = 1_000;
  const gate = createFloodGate(() => ms++);
  expect(admitted(gate, Array(25).fill("10.0.0.1"))).toBe(20);
  expect(admitted(gate, Array(3).fill("10.0.0.2"))).toBe(3);
  expect(gate.drain()).toEqual([{ userId: "", ipAddress: "10.0.0.1", count: 5, fromMs: 1_000, toMs: 1_004 }]);
  expect(admitted(gate, ["10.0.0.1"])).toBe(1);
  expect(gate.drain()).toEqual([]);
});

test("a /64 network counts as one address, and a mapped IPv4 address as what it stands for", () => {
  const gate = createFloodGate(Date.now);
  const network = Array.from({ length: 50 }, (_, i) => `2001:db8:1:2:${i.toString(16)}::1`);
  expect(admitted(gate, network)).toBe(20);
  expect(admitted(gate, ["2001:db8:1:3::1"])).toBe(1);
  expect(admitted(gate, [...Array(20).fill("::ffff:10.0.0.1"), "10.0.0.1"])).toBe(20);
});

test("addresses beyond a thousand count as one, so that neither memory nor log grows with them", () => {
  const gate = createFloodGate(Date.now);
  const addresses = Array.from({ length: 5_000 }, (_, i) => `10.${i >> 8}.${i & 255}.1`);
  expect(admitted(gate, addresses)).toBe(1_020);
  expect(gate.drain()).toMatchObject([{ ipAddress: "", count: 3_980 }]);
});

test("a user counts as one from wherever the calls come, and is told by name however many addresses there are", () => {
  const gate = createFloodGate(Date.now);
  const addresses = Array.from({ length: 1_500 }, (_, i) => `10.${i >> 8}.${i & 255}.1`);
  admitted(gate, addresses);
  const listed = addresses.filter((ipAddress) => gate.admits({ userId: "ann", ipAddress }));
  expect(listed).toHaveLength(20);
  expect(gate.admits({ userId: "bob", ipAddress: "10.0.0.1" })).toBe(true);
  expect(gate.drain()).toMatchObject([
    { userId: "ann", ipAddress: "10.0.0.1", count: 1_480 },
    { userId: "", ipAddress: "", count: 480 },
  ]);
});
