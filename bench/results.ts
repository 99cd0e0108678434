import { readFile, writeFile } from "node:fs/promises";

/** Replaces the part of that name in the file, or adds it; the other benches' parts stay. */
export async function writePart(path: string, name: string, content: string): Promise<void> {
  const before = await readFile(path, "utf8").catch(() => "# Results\n");
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const part = `${begin}\n${content}\n${end}`;
  const [from, to] = [before.indexOf(begin), before.indexOf(end)];
  await writeFile(
    path,
    from === -1 || to === -1
      ? `${before.trimEnd()}\n\n${part}\n`
      : before.slice(0, from) + part + before.slice(to + end.length),
  );
}
