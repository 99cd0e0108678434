/**
 * Whether a text is one JSON value (`one`), a JSON object or array on each line (`lines`), or neither. With
 * `cut`, a beginning that could still go on to be JSON counts. One pass without recursion.
 */
export function jsonShape(text: string, cut: boolean): "one" | "lines" | undefined {
  const first = scanValue(text, 0);
  if (first === undefined) return undefined;
  if (first === text.length + 1) return cut ? "one" : undefined;
  let at = skipBlanks(text, first);
  if (at === text.length) return "one";
  for (let lines = 0; at < text.length && lines < 100; lines++) {
    const end = /[[{]/.test(text[at] ?? "") ? scanValue(text, at) : undefined;
    if (end === undefined) return undefined;
    if (end > text.length) return cut ? "lines" : undefined;
    at = skipBlanks(text, end);
  }
  return "lines";
}

function skipBlanks(text: string, from: number): number {
  let at = from;
  while (/\s/.test(text[at] ?? "")) at++;
  return at;
}

const TOKEN =
  /\s*(?:([[{])|([\]}])|([,:])|("(?:[^"\\\n\r]|\\.)*")|(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null))/y;

/**
 * The index behind the value that starts at `from`; one beyond the length if the text ends within it;
 * undefined if it is no JSON. Checks brackets, strings and the places of commas and colons.
 */
function scanValue(text: string, from: number): number | undefined {
  const open: string[] = [];
  let wanted: "value" | "key" | "colon" | "separator" = "value";
  let mayClose = false;
  TOKEN.lastIndex = from;
  for (;;) {
    const at = TOKEN.lastIndex;
    const token = TOKEN.exec(text);
    if (!token) return restIsUnfinished(text, at) ? text.length + 1 : undefined;
    const [, opens, closes, punctuation, string] = token;
    if (closes) {
      if (!(mayClose || wanted === "separator") || open.pop() !== (closes === "}" ? "{" : "["))
        return undefined;
      if (open.length === 0) return TOKEN.lastIndex;
      wanted = "separator";
      mayClose = false;
    } else if (punctuation === ":") {
      if (wanted !== "colon") return undefined;
      wanted = "value";
    } else if (punctuation === ",") {
      if (wanted !== "separator") return undefined;
      wanted = open.at(-1) === "{" ? "key" : "value";
    } else if (wanted === "key") {
      if (string === undefined) return undefined;
      wanted = "colon";
      mayClose = false;
    } else if (wanted === "value") {
      if (opens) {
        open.push(opens);
        wanted = opens === "{" ? "key" : "value";
      } else {
        if (open.length === 0) return TOKEN.lastIndex;
        wanted = "separator";
      }
      mayClose = opens !== undefined;
    } else return undefined;
  }
}

/** A cut may fall into blanks, a string, a number or a word. */
function restIsUnfinished(text: string, at: number): boolean {
  const rest = skipBlanks(text, at);
  if (rest === text.length || text[rest] === '"') return true;
  return (
    text.length - rest < 40 &&
    /^(?:[-+\d.eE]+|t(?:r(?:u)?)?|f(?:a(?:l(?:s)?)?)?|n(?:u(?:l)?)?)$/.test(text.slice(rest))
  );
}
