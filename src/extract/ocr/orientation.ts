/** EXIF orientations in the order of quarter turns: each is the one before, turned clockwise once more. */
const TURNS = [1, 6, 3, 8];
const MIRRORED_TURNS = [2, 7, 4, 5];

/** The EXIF orientation that does what `orientation` does, and then turns clockwise. */
export function turned(orientation: number, quarterTurns: number): number {
  const cycle = MIRRORED_TURNS.includes(orientation) ? MIRRORED_TURNS : TURNS;
  return cycle[(Math.max(0, cycle.indexOf(orientation)) + quarterTurns) % 4] as number;
}
