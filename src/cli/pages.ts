/** Lists at most this many entries. */
const MAX_ENTRIES = 10_000;

/** Every entry of a list, up to 10,000, whose pages `read` brings. */
export async function allOf<T>(
  read: (page: { pageSize: number; pageToken: string }) => Promise<{ found: T[]; nextPageToken: string }>,
): Promise<T[]> {
  const all: T[] = [];
  for (let pageToken = ""; all.length < MAX_ENTRIES; ) {
    const { found, nextPageToken } = await read({ pageSize: 500, pageToken });
    all.push(...found);
    pageToken = nextPageToken;
    if (!pageToken) break;
  }
  return all;
}
