/**
 * Turns a PDF date (`D:20160824042030+02'00'`) into ISO 8601, in UTC where the zone is known. Undefined when it is no date.
 */
export function isoDate(value: string): string | undefined {
  const match =
    /^\s*(?:D:)?(\d{4})(\d{2})?(\d{2})?(\d{2})?(\d{2})?(\d{2})?(?:(Z)|([+-])(\d{2})'?(\d{2})?'?)?/u.exec(
      value,
    );
  if (match === null) return undefined;
  const part = (i: number, fallback: number) => (match[i] === undefined ? fallback : Number(match[i]));
  const [year, month, day] = [part(1, 0), part(2, 1), part(3, 1)];
  const [hour, minute, second] = [part(4, 0), part(5, 0), part(6, 0)];
  if (year < 1 || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59)
    return undefined;
  const zone = (match[8] === "-" ? -1 : 1) * (part(9, 0) * 60 + part(10, 0));
  const local = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  if (local.getUTCDate() !== day) return undefined;
  return new Date(local.getTime() - zone * 60_000).toISOString().replace(".000Z", "Z");
}
