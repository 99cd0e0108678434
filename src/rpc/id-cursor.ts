import { type Cursor, InvalidPageTokenError } from "./pages.ts";

/** The id at which a page of a list ordered by id alone begins; null for the first page. */
export function idCursor(cursor: Cursor | null): string | null {
  if (cursor === null) return null;
  const [id] = cursor;
  if (typeof id !== "string") throw new InvalidPageTokenError();
  return id;
}
