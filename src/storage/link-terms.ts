const MAX_LINK_SECONDS = 7 * 24 * 3600;
const MEDIA_TYPE = /^[\w.+-]{1,80}\/[\w.+-]{1,80}(?:; ?charset=[\w-]{1,40})?$/;

/** From when on a link of `seconds` is valid, and when it ends; whole seconds. @throws RangeError outside 1 s to 7 days */
export function linkTime(nowMs: number, seconds: number): { from: Date; expireTime: Date } {
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > MAX_LINK_SECONDS)
    throw new RangeError(`expiresInSeconds must be 1 to ${MAX_LINK_SECONDS}`);
  const from = Math.floor(nowMs / 1_000) * 1_000;
  return { from: new Date(from), expireTime: new Date(from + seconds * 1_000) };
}

/** The media type if it is one that may stand in a header; else null. */
export function headerType(mediaType: string | undefined): string | null {
  return mediaType !== undefined && MEDIA_TYPE.test(mediaType) ? mediaType : null;
}
