/** Counts tokens of the o200k encoding. Loads 100 ms and 60 MiB of tables on first use. */
export async function loadTokenCounter(): Promise<(text: string) => number> {
  const { countTokens } = await import("gpt-tokenizer/encoding/o200k_base");
  // What looks like a special token in a document is text.
  const plain = { allowedSpecial: new Set<string>(), disallowedSpecial: new Set<string>() };
  return (text) => countTokens(text, plain);
}

/** Characters without a change of kind above which counting would take time with the square of their number. */
export const LONG_RUN = /\S{1000}|\s{1000}/;
