/** The largest patterns take about a millisecond for each. */
const READS_PER_SIGN = 1_000;

/**
 * A text that calls `alive` again and again while it is read, for searches that come back only when they have found
 * something. They find the same in it as in the text itself.
 */
export class LiveText extends String {
  readonly #text: string;
  readonly #alive: () => void;
  #reads = 0;

  constructor(text: string, alive: () => void) {
    super(text);
    this.#text = text;
    this.#alive = alive;
  }

  override charCodeAt(index: number): number {
    if (++this.#reads % READS_PER_SIGN === 0) this.#alive();
    return this.#text.charCodeAt(index);
  }
}
