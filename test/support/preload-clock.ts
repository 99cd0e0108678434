/** Loaded into a process of the program before it (`--import`): its clock is TEST_CLOCK_MS ahead, in every thread. */
const ahead = Number(process.env.TEST_CLOCK_MS ?? 0);
const Real = Date;

globalThis.Date = class extends Real {
  constructor(...args: [] | [number]) {
    if (args.length === 0) super(Real.now() + ahead);
    else super(...args);
  }
  static override now(): number {
    return Real.now() + ahead;
  }
} as DateConstructor;
