import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import {
  ObjectKeyError,
  ObjectNotFoundError,
  ObjectRangeError,
  ObjectTooLargeError,
} from "../../../src/storage/errors.ts";
import { bytes, collect } from "./storage-harness.ts";
import { STORES } from "./stores.ts";

const MIB = 1024 * 1024;
const text = async (body: AsyncIterable<Uint8Array>) => (await collect(body)).toString();

describe.each(STORES)("an object store in %s", (_name, open) => {
  test("gives back what was put, whole or in part, with its size and hash", async () => {
    await using h = await open();
    // More than one part of an upload, and no whole number of them.
    const size = 9 * MIB + 1;
    const content = await collect(bytes(size));
    const stored = await h.store.put("documents/ab/one", bytes(size), { maxBytes: size });
    expect(stored).toEqual({ size, sha256: createHash("sha256").update(content).digest("hex") });
    expect((await collect((await h.store.get("documents/ab/one")).body)).equals(content)).toBe(true);
    const part = await h.store.get("documents/ab/one", { offset: 262_140, length: 9 });
    expect(part.size).toBe(size);
    expect((await collect(part.body)).equals(content.subarray(262_140, 262_149))).toBe(true);
    const end = await h.store.get("documents/ab/one", { offset: size - 1, length: 50 });
    expect((await collect(end.body)).byteLength).toBe(1);
    expect(await text((await h.store.get("documents/ab/one", { offset: size })).body)).toBe("");
    expect(await text((await h.store.get("documents/ab/one", { offset: 5, length: 0 })).body)).toBe("");
    await expect(h.store.get("documents/ab/one", { offset: size + 1 })).rejects.toThrow(ObjectRangeError);
    await expect(h.store.get("documents/ab/one", { offset: -1 })).rejects.toThrow(ObjectRangeError);
    expect(await h.store.head("documents/ab/one")).toEqual({ size });
    expect(h.store.uriOf("documents/ab/one")).toBe(`${h.uriBase}/documents/ab/one`);
  });

  test("keeps an object of no bytes", async () => {
    await using h = await open();
    expect(await h.store.put("empty", bytes(0))).toMatchObject({ size: 0 });
    expect(await h.store.head("empty")).toEqual({ size: 0 });
    expect(await text((await h.store.get("empty")).body)).toBe("");
  });

  test("replaces an object as a whole, and deletes it twice without error", async () => {
    await using h = await open();
    await h.store.put("a/b/c", Buffer.from("old and longer"));
    await h.store.put("a/b/c", Buffer.from("new"));
    await h.store.put("a", Buffer.from("beside"));
    expect(await text((await h.store.get("a/b/c")).body)).toBe("new");
    await h.store.delete("a/b/c");
    await h.store.delete("a/b/c");
    expect(await h.store.head("a/b/c")).toBeNull();
    await expect(h.store.get("a/b/c")).rejects.toThrow(ObjectNotFoundError);
    expect(await text((await h.store.get("a")).body)).toBe("beside");
  });

  test("tells whoever reads an object that it was replaced or deleted meanwhile, and never gives a mixture", async () => {
    await using h = await open();
    await h.store.put("k", Buffer.from("first"));
    const replaced = await h.store.get("k");
    await h.store.put("k", Buffer.from("another"));
    await expect(collect(replaced.body)).rejects.toThrow(ObjectNotFoundError);
    const deleted = await h.store.get("k");
    await h.store.delete("k");
    await expect(collect(deleted.body)).rejects.toThrow(ObjectNotFoundError);
  });

  test("lists every object below a folder with size and time, and goes on while objects come and go", async () => {
    await using h = await open();
    const listed = async (folder: string) => {
      const found: { key: string; size: number }[] = [];
      for await (const { key, size, modified } of h.store.list(folder)) {
        expect(Math.abs(Date.now() - modified.getTime())).toBeLessThan(60_000);
        found.push({ key, size });
      }
      return found.sort((a, b) => (a.key < b.key ? -1 : 1));
    };
    expect(await listed("results")).toEqual([]);
    for (const key of ["results/a/one", "results/a/two", "results/b", "other/c", "results2/d"])
      await h.store.put(key, Buffer.from(key));
    expect(await listed("results")).toEqual(
      ["results/a/one", "results/a/two", "results/b"].map((key) => ({ key, size: key.length })),
    );
    expect(await listed("results/a")).toHaveLength(2);
    let seen = 0;
    for await (const { key } of h.store.list("results")) {
      await h.store.delete(key);
      seen++;
    }
    expect(seen).toBe(3);
    expect(await listed("results")).toEqual([]);
  });

  test("stores nothing and leaves nothing behind when a put is too large, fails or has a bad key", async () => {
    await using h = await open();
    await h.store.put("kept", Buffer.from("kept"));
    const wasPulled = { pieces: 0 };
    const counted = async function* (): AsyncGenerator<Uint8Array> {
      for await (const chunk of bytes(400 * 65_536)) {
        wasPulled.pieces++;
        yield chunk;
      }
    };
    // The first part of an upload is under way when it turns out to be too large.
    await expect(h.store.put("kept", counted(), { maxBytes: 9 * MIB })).rejects.toThrow(ObjectTooLargeError);
    expect(wasPulled.pieces).toBe((9 * MIB) / 65_536 + 1);
    const failing = async function* (size: number): AsyncGenerator<Uint8Array> {
      yield* bytes(size);
      throw new Error("the source broke");
    };
    await expect(h.store.put("kept", failing(10))).rejects.toThrow("the source broke");
    await expect(h.store.put("kept", failing(17 * MIB))).rejects.toThrow("the source broke");
    await expect(h.store.put("../kept", Buffer.from("x"))).rejects.toThrow(ObjectKeyError);
    await expect(h.store.get("../objects/kept")).rejects.toThrow(ObjectKeyError);
    await expect(collect(h.store.list("..") as AsyncIterable<never>)).rejects.toThrow(ObjectKeyError);
    await expect(h.store.signGet("../kept", { expiresInSeconds: 60 })).rejects.toThrow(ObjectKeyError);
    expect(await text((await h.store.get("kept")).body)).toBe("kept");
    expect(h.halves()).toEqual([]);
  });

  test("stops reading at once when the caller aborts, before, between and while", async () => {
    await using h = await open();
    await h.store.put("long", bytes(4 * MIB));
    const abort = new AbortController();
    const { body } = await h.store.get("long", {}, abort.signal);
    const reading = (async () => {
      for await (const _ of body) abort.abort(new Error("enough"));
    })();
    await expect(reading).rejects.toThrow("enough");
    const late = await h.store.get("long", {}, abort.signal);
    await expect(collect(late.body)).rejects.toThrow("enough");
  });

  test("makes links for 1 second to 7 days and for no other time", async () => {
    await using h = await open();
    for (const expiresInSeconds of [0, -1, 1.5, 7 * 86_400 + 1, Number.NaN]) {
      await expect(h.store.signGet("k", { expiresInSeconds })).rejects.toThrow(RangeError);
      await expect(h.store.signPut("k", { expiresInSeconds, maxBytes: 1 })).rejects.toThrow(RangeError);
    }
    for (const expiresInSeconds of [1, 7 * 86_400]) {
      expect((await h.store.signGet("k", { expiresInSeconds })).url).toContain("k?");
      expect((await h.store.signPut("k", { expiresInSeconds, maxBytes: 1 })).url).toContain("k?");
    }
  });

  test("proves by a check that it works, and keeps nothing of it", async () => {
    await using h = await open();
    await h.store.check();
    for await (const { key } of h.store.list("health-check")) expect(key).toBeNull();
    expect(h.halves()).toEqual([]);
  });

  test("takes puts and deletes side by side", async () => {
    await using h = await open();
    const rounds = Array.from({ length: 30 }, (_, i) => i);
    await Promise.all(
      rounds.map(async (i) => {
        await h.store.put(`shared/deep/${i}`, Buffer.from(String(i)));
        if (i % 3 > 0) await h.store.delete(`shared/deep/${i}`);
      }),
    );
    const left: string[] = [];
    for await (const { key } of h.store.list("shared")) left.push(key);
    expect(left.sort()).toEqual(
      rounds
        .filter((i) => i % 3 === 0)
        .map((i) => `shared/deep/${i}`)
        .sort(),
    );
  });
});
