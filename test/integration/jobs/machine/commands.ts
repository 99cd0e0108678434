/** Everything that can happen, what is to happen more often named more than once. */
import fc from "fast-check";
import * as callers from "./caller-acts.ts";
import * as creates from "./creates.ts";
import * as endings from "./endings.ts";
import type { Command } from "./real.ts";
import * as stages from "./stage-acts.ts";
import * as stale from "./stale-acts.ts";
import * as time from "./time-acts.ts";
import * as workers from "./worker-acts.ts";

const times = (count: number, arbitrary: fc.Arbitrary<Command>) =>
  Array.from({ length: count }, () => arbitrary);

const ALL: fc.Arbitrary<Command>[] = [
  ...times(3, creates.create),
  ...times(2, creates.repeatCreate),
  creates.createBatch,
  ...times(6, workers.claim),
  workers.heartbeat,
  workers.release,
  ...times(2, endings.complete),
  ...times(2, endings.confirmCancel),
  endings.failForGood,
  endings.failForNow,
  endings.failWithBackoff,
  ...times(5, stages.step),
  stages.progress,
  ...times(2, callers.cancel),
  ...times(2, callers.retry),
  callers.remove,
  callers.cancelMany,
  callers.retryMany,
  ...times(2, callers.pause),
  ...times(7, callers.resume),
  ...times(3, time.leaseRunsOut),
  ...times(3, time.sweep),
  time.timePasses,
  ...times(2, time.reconcile),
  ...times(2, stale.staleWrites),
  ...times(2, stale.foreignWrites),
];

/** One job after another loses its workers. */
const LOSSES: fc.Arbitrary<Command>[] = [
  ...times(4, creates.create),
  ...times(6, workers.claim),
  workers.heartbeat,
  ...times(4, time.leaseRunsOut),
  ...times(4, time.sweep),
  endings.confirmCancel,
  callers.cancel,
  ...times(2, callers.retry),
  stale.staleWrites,
  stale.foreignWrites,
];

/** Jobs get far in their pipelines, in several attempts. */
const ATTEMPTS: fc.Arbitrary<Command>[] = [
  ...times(4, creates.create),
  ...times(6, workers.claim),
  ...times(12, stages.step),
  stages.progress,
  workers.release,
  endings.failForNow,
  endings.failForGood,
  endings.complete,
  ...times(2, callers.retry),
  time.leaseRunsOut,
  time.sweep,
  stale.staleWrites,
];

/** Jobs wait for each other. */
const KEYS: fc.Arbitrary<Command>[] = [
  ...times(5, creates.createWithKey),
  ...times(6, workers.claim),
  ...times(2, endings.complete),
  endings.failForGood,
  endings.failForNow,
  endings.failWithBackoff,
  endings.confirmCancel,
  workers.release,
  ...times(2, callers.cancel),
  callers.cancelMany,
  callers.retry,
  callers.retryMany,
  callers.remove,
  time.timePasses,
  time.leaseRunsOut,
  time.sweep,
  ...times(2, time.reconcile),
];

/** Histories of up to `maxCommands`; those that do not fit where they stand are left out. */
export function histories(maxCommands: number, replayPath: string): fc.Arbitrary<Iterable<Command>> {
  const of = (commands: fc.Arbitrary<Command>[]) =>
    fc.commands(commands, { maxCommands, size: "max", ...(replayPath ? { replayPath } : {}) });
  return fc.oneof(
    { weight: 2, arbitrary: of(ALL) },
    { weight: 1, arbitrary: of(LOSSES) },
    { weight: 1, arbitrary: of(ATTEMPTS) },
    { weight: 1, arbitrary: of(KEYS) },
  );
}
