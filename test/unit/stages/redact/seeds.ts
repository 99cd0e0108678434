/** Arbitrary personal data that is valid, and text that holds none. */
import fc from "fast-check";
import type { Block } from "../../../../src/extract/model.ts";

const digits = (length: number) =>
  fc.string({ unit: fc.constantFrom(..."0123456789"), minLength: length, maxLength: length });

const GAPS = [" ", "-", "\u00A0", "\n", ".", ""] as const;

/** Groups of digits with one kind of gap between them. */
const grouped = (number: string, sizes: readonly number[], gap: string): string => {
  const groups: string[] = [];
  let at = 0;
  for (const size of sizes) {
    groups.push(number.slice(at, at + size));
    at += size;
  }
  return groups.filter((group) => group !== "").join(gap);
};

function withCheckDigit(body: string): string {
  for (let last = 0; last < 10; last++) {
    let sum = 0;
    for (const [place, digit] of [...`${body}${last}`].reverse().entries()) {
      const value = Number(digit) * (place % 2 === 1 ? 2 : 1);
      sum += value > 9 ? value - 9 : value;
    }
    if (sum % 10 === 0) return `${body}${last}`;
  }
  throw new Error("no check digit");
}

const card = fc
  .tuple(
    fc.constantFrom(
      { head: "4", length: 16 },
      { head: "51", length: 16 },
      { head: "37", length: 15 },
      { head: "6011", length: 19 },
    ),
    digits(19),
    fc.constantFrom(...GAPS),
  )
  .map(([{ head, length }, rest, gap]) => {
    const number = withCheckDigit((head + rest).slice(0, length - 1));
    return grouped(number, length === 15 ? [4, 6, 5] : [4, 4, 4, 4, 3], gap);
  });

function ibanOf(country: string, account: string): string {
  const numeric = [...`${account}${country}00`].map((sign) => String(Number.parseInt(sign, 36))).join("");
  return `${country}${String(98n - (BigInt(numeric) % 97n)).padStart(2, "0")}${account}`;
}

const iban = fc
  .tuple(
    fc.constantFrom(["DE", ""], ["GB", "NWBK"], ["NL", "ABNA"], ["FR", ""]),
    digits(23),
    fc.constantFrom("", " ", "-"),
    fc.boolean(),
  )
  .map(([[country, bank], rest, gap, lower]) => {
    const length = { DE: 18, GB: 18, NL: 14, FR: 23 }[country as "DE"];
    const text = grouped(ibanOf(country, (bank + rest).slice(0, length)), [4, 4, 4, 4, 4, 4, 4], gap);
    return lower ? text.toLowerCase() : text;
  });

const phone = fc
  .tuple(
    digits(12),
    fc.constantFrom(
      "+49 30 #######",
      "+1 (2##) 3##-####",
      "0049-171-#######",
      "(0171) ## ## ###",
      "01 ## ## ## ##",
      "(212) 5##-####",
      "212.5##.####",
      "Tel.: #####",
      "tel:7######",
    ),
  )
  .map(([rest, form]) => {
    let at = 0;
    return form.replace(/#/g, () => rest[at++] ?? "0");
  });

const email = fc
  .tuple(
    fc.string({ unit: fc.constantFrom(..."abcxyz019.+_-'é"), minLength: 1, maxLength: 12 }),
    fc.constantFrom(
      "@example.org",
      "@mail.example.co.uk",
      "@bücher.example",
      "@例子.公司",
      "@\nexample.org",
      "%40example.org",
      "@[192.0.2.1]",
    ),
  )
  .map(([local, domain]) => `q${local}w${domain}`);

export const SECRETS = { card, iban, phone, email };

/** Text with no personal data in it, though with numbers, dates, prices, hashes and addresses of pages. */
export const harmless = fc
  .array(
    fc.constantFrom(
      "word",
      "Größe",
      "2024-01-02",
      "01.02.2024",
      "01.02.2024 12:30",
      "12:30",
      "1,234,567.89",
      "3.14159",
      "0.4111111111111111",
      "v1.2.3",
      "192.168.100.200",
      "ISBN 978-3-16-148410-0",
      "§ 42",
      "de facto",
      "at",
      "@",
      "@home",
      "a@b",
      "+",
      "+1",
      "100 %",
      "的文本",
      "\n",
      "#4111",
      "1 2 3 4 5 6 7 8 9 0",
      "4111 1111 1111 1112",
      "DE89370400440532013001",
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4",
      "https://example.org/item/0123456789?n=1234567890",
    ),
    { maxLength: 20 },
  )
  .map((words) => words.join(" ; "));

/** The text as a document may hold it; `at` chooses the place. */
export function blockWith(text: string, at: number): Block {
  const forms: Block[] = [
    { type: "paragraph", text, markdown: `**${text}**` },
    { type: "heading", level: 2, text },
    { type: "quote", text },
    { type: "code", text, language: "text" },
    { type: "formula", text },
    { type: "image", alt: text, target: "pictures/1.png" },
    {
      type: "list",
      ordered: false,
      items: [
        { level: 0, text: "before" },
        { level: 1, text, marker: "•" },
      ],
    },
    { type: "table", headerRows: 1, rows: [[{ text: "head" }], [{ text, rowSpan: 2 }], []] },
    { type: "table", headerRows: 0, rows: [[{ text: "cell" }]], caption: text },
  ];
  return forms[at % forms.length] as Block;
}

export const FORMS = 9;
