import { type OcrEngine, OcrFailedError, type ReadHow, withOcrEngine } from "./engine.ts";
import { turned } from "./orientation.ts";
import { type PageText, readWords } from "./words.ts";

/** Text that stands upright is read with more confidence than this, unless it is hard to read anyway. */
const SURE = 0.7;

/** A picture, and how it is to be read. */
export interface PictureTask extends ReadHow {
  /** Encoded: PNG, JPEG, WebP, GIF, BMP, PGM, or the first page of a TIFF. */
  picture: Uint8Array;
  /** The page that it stands for. */
  page: number;
  /** Installed languages; none = English. */
  languages: readonly string[];
  /** No picture has more; the memory of the recognition is bounded by it. */
  maxPixels: number;
}

/**
 * Reads the text of a picture; nothing if it cannot be decoded or breaks the recognition. A picture that is read with
 * little confidence is looked at once more: if it lies or stands on its head, it is turned and read again.
 *
 * @throws OcrMemoryError if it needs more memory than there is
 */
export async function recognizePicture(task: PictureTask): Promise<PageText | undefined> {
  try {
    return await withOcrEngine(task, async (engine) => {
      engine.load(task.picture);
      return await readUpright(engine, task);
    });
  } catch (error) {
    if (error instanceof OcrFailedError) return undefined;
    throw error;
  }
}

async function readUpright(engine: OcrEngine, task: PictureTask): Promise<PageText | undefined> {
  const tsv = engine.read(task);
  if (tsv === undefined) return undefined;
  const first = readWords(tsv, task.page);
  if ((first.confidence ?? 0) >= SURE) return first;
  const turns = await engine.turnsToUpright(task.orientation);
  if (turns === 0) return first;
  const orientation = turned(task.orientation, turns);
  const again = readWords(engine.read({ ...task, orientation }) ?? "", task.page);
  return (again.confidence ?? 0) > (first.confidence ?? 0) ? again : first;
}
