/** `1 job`, `2 jobs`. */
export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

/** The verb that fits the count: `is` or `are`. */
export const agree = (count: number, one: string, many: string): string => (count === 1 ? one : many);

const UNITS = [
  { name: "d", seconds: 86_400, from: 172_800 },
  { name: "h", seconds: 3_600, from: 7_200 },
  { name: "min", seconds: 60, from: 120 },
] as const;

/** A length of time as people say it: `4 s`, `12 min`, `3 h`, `9 d`; less than nothing counts as nothing. */
export function span(seconds: number): string {
  const known = Math.max(0, seconds);
  const unit = UNITS.find(({ from }) => known >= from);
  if (unit) return `${Math.floor(known / unit.seconds)} ${unit.name}`;
  return `${known < 10 ? Number(known.toFixed(1)) : Math.round(known)} s`;
}

/** `3.4 GiB`, `120 MiB`. */
export function size(bytes: number): string {
  const gib = bytes / 1024 ** 3;
  return gib >= 1 ? `${gib.toFixed(1)} GiB` : `${Math.floor(bytes / 1024 ** 2)} MiB`;
}
