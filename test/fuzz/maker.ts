/** Makes mutants in a process of its own, so that the one that hosts the document processes does nothing but that. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { mutantOf } from "./mutate.ts";
import { readSeeds } from "./seeds.ts";

const [seed = 0, folder = ""] = [Number(process.argv[2]), process.argv[3]];
const seeds = readSeeds();

process.on("disconnect", () => process.exit(0));
process.on("message", (number: number) => {
  const { name, bytes } = mutantOf(seed, number, seeds);
  const path = join(folder, `mutant-${number}`);
  writeFileSync(path, bytes);
  process.send?.({ number, name, path });
});
