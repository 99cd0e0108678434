import { expect, test } from "vitest";
import { createDatabaseClock } from "../../../src/db/clock.ts";

const MINUTE = 60_000;

/** A machine whose clock is `offset` ahead of the database's, and what it logs. */
function machine(offset: number) {
  const state = { time: 1_000_000, offset };
  const said: string[] = [];
  const log = (level: string) => (fields: object, message: string) =>
    void said.push(`${level} ${JSON.stringify(fields)} ${message}`);
  const logger = { warn: log("warn"), info: log("info"), error: log("error"), debug: log("debug") };
  const clock = createDatabaseClock({
    system: { now: () => state.time + state.offset },
    logger: { ...logger, child: () => logger as never },
  });
  const compare = (tripMs = 10) => {
    const answer = clock.ask();
    state.time += tripMs / 2;
    const database = new Date(state.time);
    state.time += tripMs / 2;
    answer(database);
  };
  return { state, said, clock, compare };
}

test("whatever the machine's clock says, the time is the database's", () => {
  for (const offset of [10 * MINUTE, -10 * MINUTE, 0]) {
    const { state, clock, compare } = machine(offset);
    expect(clock.offsetMs()).toBeNull();
    expect(clock.now()).toBe(state.time + offset);
    compare();
    expect(clock.offsetMs()).toBe(offset);
    state.time += 7 * MINUTE;
    expect(clock.now()).toBe(state.time);
  }
});

test("a clock that is off is told once, with how far, and again when it was set right", () => {
  const { state, said, compare } = machine(-10 * MINUTE);
  compare();
  compare();
  expect(said).toEqual([
    expect.stringMatching(
      /^warn \{"clockOffsetSeconds":-600\} the clock of this machine is 600 s behind the database's: .* NTP/,
    ),
  ]);
  state.offset = 0;
  compare();
  compare();
  expect(said.slice(1)).toEqual([expect.stringMatching(/^info .* agrees with the database's again$/)]);
});

test("a few seconds are nobody's concern", () => {
  const { said, compare } = machine(4_900);
  compare();
  expect(said).toEqual([]);
});

test("an answer that took long, or came from before the clock was set, says nothing", () => {
  const { state, clock, compare, said } = machine(0);
  compare(20_000);
  expect(clock.offsetMs()).toBeNull();
  compare();
  const answer = clock.ask();
  state.offset = -10 * MINUTE;
  answer(new Date(state.time));
  expect(clock.offsetMs()).toBe(0);
  expect(said).toEqual([]);
});
