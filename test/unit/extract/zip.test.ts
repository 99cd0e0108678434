import { expect, test } from "vitest";
import { DEFAULT_EXTRACT_LIMITS } from "../../../src/extract/extractor.ts";
import { openZip } from "../../../src/extract/zip.ts";
import { scratch, zipOf, zipOfMany } from "./zip-fixtures.ts";

const limits = DEFAULT_EXTRACT_LIMITS;

async function drain(source: AsyncIterable<Buffer>): Promise<number> {
  let bytes = 0;
  for await (const chunk of source) bytes += chunk.length;
  return bytes;
}

test("members are read byte for byte and found in any letter case", async () => {
  await using folder = await scratch();
  const path = await folder.write("a.zip", zipOf([{ name: "Word/Document.xml", data: "grüße" }]));
  const archive = await openZip(path, limits);
  const member = archive.find("word/document.xml")!;
  expect((await archive.readAll(member, 100)).toString()).toBe("grüße");
  await expect(archive.readAll(member, 3)).rejects.toMatchObject({ reason: "LIMIT_EXCEEDED" });
  archive.close();
});

test("the byte budget holds over all members together", async () => {
  await using folder = await scratch();
  const data = Buffer.from(Array.from({ length: 600_000 }, (_, i) => (i * 2654435761) >>> 24));
  const path = await folder.write(
    "a.zip",
    zipOf([
      { name: "a", data },
      { name: "b", data },
    ]),
  );
  const archive = await openZip(path, { ...limits, maxInflatedBytes: 1_000_000 });
  expect(await drain(archive.read(archive.find("a")!))).toBe(600_000);
  await expect(drain(archive.read(archive.find("b")!))).rejects.toMatchObject({
    reason: "DOCUMENT_TOO_LARGE",
  });
  archive.close();
});

test("a bomb is refused before a byte of it is inflated", async () => {
  await using folder = await scratch();
  const bomb = zipOf([{ name: "a", data: Buffer.alloc(1024 * 1024, 0x20), repeat: 600 }]);
  const archive = await openZip(await folder.write("a.zip", bomb), limits);
  let read = 0;
  const reading = async () => {
    for await (const chunk of archive.read(archive.find("a")!)) read += chunk.length;
  };
  await expect(reading()).rejects.toMatchObject({ reason: "DOCUMENT_TOO_LARGE" });
  expect(read).toBe(0);
  archive.close();
});

test("a bomb that declares a small size is stopped at that size", async () => {
  await using folder = await scratch();
  const bomb = zipOf([{ name: "a", data: Buffer.alloc(1024 * 1024, 0x20), repeat: 600 }]);
  bomb.writeUInt32LE(1000, bomb.indexOf("PK\x01\x02") + 24);
  const archive = await openZip(await folder.write("a.zip", bomb), limits);
  await expect(drain(archive.read(archive.find("a")!))).rejects.toMatchObject({ reason: "DOCUMENT_CORRUPT" });
  archive.close();
});

test("a directory of a million members is refused", async () => {
  await using folder = await scratch();
  const path = await folder.write("a.zip", zipOfMany(1_000_000));
  await expect(openZip(path, limits)).rejects.toMatchObject({ reason: "LIMIT_EXCEEDED" });
});

test("a member under a password is reported as encrypted", async () => {
  await using folder = await scratch();
  const path = await folder.write("a.zip", zipOf([{ name: "a", data: "secret", encrypted: true }]));
  const archive = await openZip(path, limits);
  await expect(drain(archive.read(archive.find("a")!))).rejects.toMatchObject({
    reason: "DOCUMENT_ENCRYPTED",
  });
  archive.close();
});

test("changed bytes are noticed by the checksum", async () => {
  await using folder = await scratch();
  const bytes = zipOf([{ name: "a", data: "0123456789" }]);
  bytes.writeUInt32LE(0, bytes.indexOf("PK\x01\x02") + 16);
  const archive = await openZip(await folder.write("a.zip", bytes), limits);
  await expect(drain(archive.read(archive.find("a")!))).rejects.toMatchObject({ reason: "DOCUMENT_CORRUPT" });
  archive.close();
});

test("names that climb out of the archive are only names", async () => {
  await using folder = await scratch();
  const path = await folder.write("a.zip", zipOf([{ name: "../../etc/passwd", data: "x" }]));
  const archive = await openZip(path, limits);
  expect(archive.members.map((member) => member.name)).toEqual(["../../etc/passwd"]);
  archive.close();
});

test("an abort ends the reading", async () => {
  await using folder = await scratch();
  const path = await folder.write("a.zip", zipOf([{ name: "a", data: "text" }]));
  const controller = new AbortController();
  const archive = await openZip(path, limits, controller.signal);
  controller.abort(new Error("stop"));
  await expect(drain(archive.read(archive.find("a")!))).rejects.toThrow("stop");
  archive.close();
});
