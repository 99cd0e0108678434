import type { Destination } from "./state.ts";

/** Control words that are a character. */
export const SIGNS: Readonly<Record<string, string>> = {
  "~": "\u00a0",
  _: "-",
  tab: " ",
  line: "\n",
  lbr: "\n",
  softline: "\n",
  emdash: "—",
  endash: "–",
  emspace: " ",
  enspace: " ",
  qmspace: " ",
  bullet: "•",
  lquote: "‘",
  rquote: "’",
  ldblquote: "“",
  rdblquote: "”",
  zwj: "\u200d",
  zwnj: "\u200c",
};

const DESTINATIONS: ReadonlyMap<
  string,
  Destination | "margin" | "note" | "comment" | "box" | "unicode" | "field" | "result"
> = new Map([
  ["fonttbl", "fonts"],
  ["stylesheet", "styles"],
  ["listtable", "lists"],
  ["listoverridetable", "overrides"],
  ["fldinst", "instruction"],
  ["listtext", "marker"],
  ["pntext", "marker"],
  ["atnauthor", "author"],
  ["atnid", "skip"],
  ["atndate", "skip"],
  ["annotation", "comment"],
  ["footnote", "note"],
  ["shptxt", "box"],
  ["ud", "unicode"],
  ["field", "field"],
  ["fldrslt", "result"],
  ...["header", "headerl", "headerr", "headerf", "footer", "footerl", "footerr", "footerf"].map(
    (name): [string, "margin"] => [name, "margin"],
  ),
  ...["info", "title", "author", "subject", "keywords", "company", "creatim", "revtim"].map(
    (name): [string, "info"] => [name, "info"],
  ),
  ...(
    "colortbl pict objdata objclass objname nonshppict themedata colorschememapping datastore latentstyles generator " +
    "xmlnstbl rsidtbl pgdsctbl mmathPr filetbl revtbl bkmkstart bkmkend xe tc rxe upr shprslt sp datafield " +
    "operator doccomm vern nofpages nofwords printim buptim hlinkbase manager category userprops template " +
    "pnseclvl pn pntxta pntxtb listpicture listname leveltext levelnumbers htmltag mhtmltag " +
    "ftnsep ftnsepc aftnsep aftnsepc ftncn aftncn nonesttables atnref atrfstart atrfend atnparent wgrffmtfilter " +
    "background do falt panose fontemb"
  )
    .split(" ")
    .map((name): [string, "skip"] => [name, "skip"]),
]);

/** Where the text of a group goes that begins with this control word; undefined for one that changes nothing. */
export const destinationOf = (name: string) => DESTINATIONS.get(name);
