import type { Block, ListItem } from "../../model.ts";
import { child, descendants, elements, textOf } from "../../xml.ts";
import type { OfficePackage } from "./package.ts";

/** The texts of a SmartArt diagram as a list, in the order of its data. */
export async function readDiagram(office: OfficePackage, part: string, page?: number): Promise<Block[]> {
  const points = child(await office.tree(part), "dgm:ptLst");
  const items: ListItem[] = [];
  for (const point of elements(points, "dgm:pt")) {
    // Points of these kinds repeat other points' texts for the layout.
    if (point.attributes.type === "pres") continue;
    for (const paragraph of descendants(child(point, "dgm:t"), "a:p")) {
      const text = [...descendants(paragraph, "a:t")].map(textOf).join("").trim();
      if (text !== "") items.push({ level: 0, text });
    }
  }
  if (items.length === 0) return [];
  return [{ type: "list", ordered: false, items, ...(page === undefined ? {} : { page }) }];
}
