import type { FixtureMember } from "./zip-fixtures.ts";
import { OFFICE_XMLNS, relationshipsXml } from "./zip-fixtures.ts";

export interface DocxParts {
  body: string;
  styles?: string;
  numbering?: string;
  footnotes?: string;
  comments?: string;
  header?: string;
  relationships?: Record<string, [type: string, target: string]>;
  more?: FixtureMember[];
}

/** The members of a Word document with this body. */
export function docxOf(parts: DocxParts): FixtureMember[] {
  const relationships: Record<string, [string, string]> = { ...parts.relationships };
  const members: FixtureMember[] = [
    { name: "_rels/.rels", data: relationshipsXml({ r1: ["officeDocument", "word/document.xml"] }) },
    {
      name: "word/document.xml",
      data: `<w:document ${OFFICE_XMLNS}><w:body>${parts.body}</w:body></w:document>`,
    },
  ];
  for (const kind of ["styles", "numbering", "footnotes", "comments", "header"] as const) {
    const content = parts[kind];
    if (content === undefined) continue;
    const root = kind === "header" ? "hdr" : kind;
    relationships[kind] = [kind, `${kind}.xml`];
    members.push({ name: `word/${kind}.xml`, data: `<w:${root} ${OFFICE_XMLNS}>${content}</w:${root}>` });
  }
  members.push({ name: "word/_rels/document.xml.rels", data: relationshipsXml(relationships) });
  return [...members, ...(parts.more ?? [])];
}

/** A paragraph of one run. */
export const p = (text: string, properties = "", run = "") =>
  `<w:p><w:pPr>${properties}</w:pPr><w:r><w:rPr>${run}</w:rPr><w:t xml:space="preserve">${text}</w:t></w:r></w:p>`;

/** A paragraph in a list. */
export const li = (text: string, level = 0, numId = 1) =>
  p(text, `<w:numPr><w:ilvl w:val="${level}"/><w:numId w:val="${numId}"/></w:numPr>`);

const level = (at: number, format: string, text: string) =>
  `<w:lvl w:ilvl="${at}"><w:start w:val="1"/><w:numFmt w:val="${format}"/><w:lvlText w:val="${text}"/></w:lvl>`;

/** List 1 counts 1., 1.1, (a); list 2 the same from 7; list 3 has bullets. */
export const NUMBERING = `
<w:abstractNum w:abstractNumId="0">${level(0, "decimal", "%1.")}${level(1, "decimal", "%1.%2")}${level(2, "lowerLetter", "(%3)")}</w:abstractNum>
<w:abstractNum w:abstractNumId="1">${level(0, "bullet", "\uf0b7")}</w:abstractNum>
<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>
<w:num w:numId="2"><w:abstractNumId w:val="0"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="7"/></w:lvlOverride></w:num>
<w:num w:numId="3"><w:abstractNumId w:val="1"/></w:num>`;
