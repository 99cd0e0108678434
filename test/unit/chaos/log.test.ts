import { expect, test } from "vitest";
import { type LogEntry, readLog } from "../../chaos/log.ts";
import { overlapping } from "../../chaos/overlap.ts";

const STAGES = ["fetch", "extract"];
type Event = Omit<LogEntry, "sequence" | "time">;

const status = (to: string, from: string | null, attempt: number, more: object = {}): Event => ({
  type: "status_changed",
  payload: { status: to, previousStatus: from as never, attempt, ...more },
});
const started = (index: number, attempt: number): Event => ({
  type: "stage_started",
  payload: { name: STAGES[index] ?? "", index, attempt },
});
const finished = (index: number, more: object = {}): Event => ({
  type: "stage_finished",
  payload: { name: STAGES[index] ?? "", index, status: "SUCCEEDED", fromCheckpoint: false, ...more },
});
const progress = (index: number): Event => ({
  type: "stage_progress",
  payload: { name: STAGES[index] ?? "" },
});
const created = status("CREATED", null, 0);
const claimed = status("PROCESSING", "CREATED", 1);
const completed = status("COMPLETED", "PROCESSING", 1);
const lost = status("CREATED", "PROCESSING", 0, { lostWorker: "w-1" });
const oneRun = [started(0, 1), finished(0), started(1, 1), progress(1), finished(1)];

/** A second apart, numbered from 1. */
const log = (...events: Event[]): LogEntry[] =>
  events.map((event, i) => ({ ...event, sequence: i + 1, time: new Date(i * 1_000) }));
const kinds = (events: LogEntry[]) => readLog(events, STAGES.length).breaches.map(({ kind }) => kind);

test("a job that a worker completes, and one that is lost, handed back, resumed, cancelled and run again, are in order", () => {
  expect(readLog(log(created, claimed, ...oneRun, completed), STAGES.length)).toMatchObject({
    breaches: [],
    status: "COMPLETED",
    held: [{ from: new Date(1_000), to: new Date(7_000) }],
    retries: 0,
  });
  const history = log(
    ...[created, claimed, started(0, 1), finished(0), started(1, 1), lost],
    ...[claimed, finished(0, { fromCheckpoint: true }), started(1, 1), progress(1)],
    status("CREATED", "PROCESSING", 0),
    ...[claimed, status("CANCELLING", "PROCESSING", 1), status("CANCELLED", "CANCELLING", 1)],
    ...[status("CREATED", "CANCELLED", 0), claimed, ...oneRun, completed],
  );
  expect(readLog(history, STAGES.length)).toMatchObject({ breaches: [], status: "COMPLETED", retries: 1 });
});

test("what a lost lease wrote is seen: beside the new holder's stages, while nobody held the job, and as a completion", () => {
  const taken = [created, claimed, started(0, 1), lost, claimed];
  expect(kinds(log(...taken, started(0, 1), finished(0), started(1, 1), finished(0)))).toEqual([
    "two writers",
  ]);
  expect(kinds(log(...taken, finished(0), started(1, 1)))).toContain("two writers");
  expect(kinds(log(...taken, started(0, 1), started(1, 1)))).toEqual(["two writers"]);
  expect(kinds(log(...taken, progress(0)))).toEqual(["two writers"]);
  expect(kinds(log(created, claimed, started(0, 1), lost, finished(0)))).toEqual(["two writers"]);
  expect(kinds(log(...taken, started(0, 1), completed))).toEqual(["two writers"]);
  expect(kinds(log(...taken, started(0, 2)))).toEqual(["two writers"]);
});

test("a second end, a gap, a change that may not be and a failure are seen; a fair quarantine is none", () => {
  const whole = [created, claimed, ...oneRun, completed];
  expect(kinds(log(...whole, completed))).toContain("ended twice");
  expect(kinds(log(...whole).toSpliced(3, 1))).toContain("gap");
  expect(kinds(log(created, completed))).toContain("wrong turn");
  expect(kinds(log(created, status("PROCESSING", "CREATED", 3)))).toEqual(["wrong turn"]);
  const failed = (reason: string) =>
    status("FAILED", "PROCESSING", 0, { error: { reason }, lostWorker: "w-1" });
  expect(kinds(log(created, claimed, failed("INTERNAL")))).toEqual(["failed"]);
  expect(kinds(log(created, claimed, failed("QUARANTINED")))).toEqual(["failed"]);
  expect(kinds(log(created, claimed, lost, claimed, lost, claimed, failed("QUARANTINED")))).toEqual([]);
});

test("jobs of one key that were held at once are found, those that follow each other are not", () => {
  const held = (id: string, key: string, from: number, to: number) => ({
    id,
    key,
    from: new Date(from),
    to: new Date(to),
  });
  expect(overlapping([held("a", "k", 0, 5_000), held("b", "k", 5_000, 9_000)])).toEqual([]);
  expect(overlapping([held("a", "k", 0, 5_000), held("b", "other", 1_000, 9_000)])).toEqual([]);
  expect(overlapping([held("b", "k", 3_000, 9_000), held("a", "k", 0, 5_000)])).toHaveLength(1);
  const inside = [held("a", "k", 0, 9_000), held("b", "k", 1_000, 2_000), held("c", "k", 8_000, 9_500)];
  expect(overlapping(inside)).toHaveLength(2);
});
