import type { Block, TableCell } from "../../model.ts";
import { child, descendants, elements, textOf, type XmlElement } from "../../xml.ts";
import { numberText } from "./number-text.ts";
import type { OfficePackage } from "./package.ts";

/** Points that one chart's table may have; more are left out. */
const MAX_POINTS = 100_000;

interface Series {
  name: string;
  categories: Map<number, string>;
  values: Map<number, string>;
}

/** A chart as its title, its axes' titles and a table: a row a category, a column a series. */
export async function readChart(office: OfficePackage, part: string, page?: number): Promise<Block[]> {
  const root = await office.tree(part);
  if (root === undefined) return [];
  const at = page === undefined ? {} : { page };
  const blocks: Block[] = [];
  const chart = child(root, "c:chart");
  const series = [...descendants(child(chart, "c:plotArea"), "c:ser")].map(readSeries);

  const title = titleOf(child(chart, "c:title"));
  const kind = kindOf(child(chart, "c:plotArea"));
  if (title !== "") blocks.push({ type: "paragraph", text: title, ...at });
  if (kind !== "") blocks.push({ type: "paragraph", text: kind, ...at });
  const axes = ["c:catAx", "c:dateAx", "c:valAx", "c:serAx"]
    .flatMap((name) => [...elements(child(chart, "c:plotArea"), name)])
    .map((axis) => titleOf(child(axis, "c:title")))
    .filter((text) => text !== "");

  const rows = chartRows(series);
  if (rows.length > 0) blocks.push({ type: "table", rows, headerRows: 1, ...at });
  // Behind the table, so that the chart's kind stands right before its data.
  if (axes.length > 0) blocks.push({ type: "paragraph", text: axes.join(" / "), ...at });
  return blocks;
}

function readSeries(series: XmlElement): Series {
  return {
    name:
      [...points(child(series, "c:tx")).values()].join(" ") || textOf(child(series, "c:tx", "c:v")).trim(),
    categories: points(child(series, "c:cat") ?? child(series, "c:xVal")),
    values: points(child(series, "c:val") ?? child(series, "c:yVal")),
  };
}

/** The cached points; of several levels of categories, the levels of one point stand together. */
function points(source: XmlElement | undefined): Map<number, string> {
  const found = new Map<number, string>();
  for (const point of descendants(source, "c:pt")) {
    const index = Number(point.attributes.idx);
    if (!Number.isInteger(index) || index < 0 || index >= MAX_POINTS) continue;
    const text = numberText(textOf(child(point, "c:v")).trim());
    const before = found.get(index);
    found.set(index, before === undefined ? text : `${text} ${before}`);
  }
  return found;
}

function chartRows(series: Series[]): TableCell[][] {
  const indexes = new Set<number>();
  for (const { categories, values } of series) {
    for (const index of categories.keys()) indexes.add(index);
    for (const index of values.keys()) indexes.add(index);
  }
  if (indexes.size === 0) return [];
  const labels = new Map<number, string>();
  for (const { categories } of series) {
    for (const [index, label] of categories) if (!labels.has(index)) labels.set(index, label);
  }
  const rows: TableCell[][] = [[{ text: "" }, ...series.map(({ name }) => ({ text: name }))]];
  for (const index of [...indexes].sort((a, b) => a - b)) {
    rows.push([
      { text: labels.get(index) ?? "" },
      ...series.map(({ values }) => ({ text: values.get(index) ?? "" })),
    ]);
  }
  return rows;
}

function titleOf(title: XmlElement | undefined): string {
  const rich = [...descendants(child(title, "c:tx"), "a:p")].map((paragraph) =>
    [...descendants(paragraph, "a:t")].map(textOf).join(""),
  );
  const text = rich.length > 0 ? rich.join(" ") : [...points(child(title, "c:tx")).values()].join(" ");
  return text.replace(/\s+/g, " ").trim();
}

const KINDS: readonly [pattern: RegExp, name: string][] = [
  [/^c:bar/, "Bar chart"],
  [/^c:line/, "Line chart"],
  [/^c:(?:pie|ofPie)/, "Pie chart"],
  [/^c:doughnut/, "Doughnut chart"],
  [/^c:area/, "Area chart"],
  [/^c:scatter/, "Scatter chart"],
  [/^c:bubble/, "Bubble chart"],
  [/^c:radar/, "Radar chart"],
  [/^c:surface/, "Surface chart"],
  [/^c:stock/, "Stock chart"],
];

function kindOf(plot: XmlElement | undefined): string {
  const kinds = new Set<string>();
  for (const { name } of elements(plot)) {
    const kind = KINDS.find(([pattern]) => pattern.test(name));
    if (kind !== undefined) kinds.add(kind[1]);
  }
  return [...kinds].join(", ");
}
