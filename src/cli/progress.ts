import { basename } from "node:path";
import type { Output } from "./context.ts";
import { clean, cut, duration, padTo, widthOf } from "./text.ts";
import { isDone, type Track } from "./track.ts";

/** Shows how documents get on. */
export interface Progress {
  /** Something about this document has changed. */
  update(track: Track): void;
  /** Leaves the screen as it shall stay. */
  stop(): void;
}

const FRAME_MS = 100;
const HIDE = "\u001b[?25l";
const SHOW = "\u001b[?25h";

/** Nothing to see. */
export const silent: Progress = { update() {}, stop() {} };

/** A line whenever a document comes to another state or stage; for files, pipes and simple terminals. */
export function createPlainProgress(output: Output): Progress {
  const told = new Map<Track, string>();
  return {
    update(track) {
      const line = `${clean(track.name)}: ${stateOf(track)}`;
      if (track.state === "waiting" || told.get(track) === line) return;
      told.set(track, line);
      output.write(`${line}${isDone(track) ? endOf(track) : ""}\n`);
    },
    stop() {},
  };
}

/**
 * A bar for each document that is under way, and a line of totals, redrawn in place. Documents that have ended scroll
 * up as lines that stay, so that any number of them fits any terminal.
 */
export function createLiveProgress(output: Output, tracks: readonly Track[]): Progress {
  const ended = new Set<Track>();
  let lasting: string[] = [];
  let drawn: string[] = [];
  let timer: NodeJS.Timeout | undefined;

  function draw(): void {
    timer = undefined;
    const columns = Math.max(20, output.columns || 80);
    const rows = Math.max(4, output.rows || 24);
    const live = liveLines(tracks, columns, rows - 2);
    const up = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(widthOf(line) / columns)), 0);
    const home = up > 0 ? `\u001b[${up}A\r` : "\r";
    const text = [...lasting.map((line) => cut(line, columns - 1)), ...live].map(
      (line) => `${line}\u001b[K\n`,
    );
    output.write(`${HIDE}${home}${text.join("")}\u001b[J`);
    lasting = [];
    drawn = live;
  }

  const redraw = () => {
    timer ??= setTimeout(draw, FRAME_MS);
  };
  output.on("resize", redraw);
  return {
    update(track) {
      if (isDone(track) && !ended.has(track)) {
        ended.add(track);
        lasting.push(`${marks[track.state] ?? ""} ${shortName(track)}: ${stateOf(track)}${endOf(track)}`);
      }
      redraw();
    },
    stop() {
      output.off("resize", redraw);
      clearTimeout(timer);
      draw();
      output.write(SHOW);
    },
  };
}

const marks: Partial<Record<Track["state"], string>> = { completed: "✓", failed: "✗", cancelled: "–" };

function liveLines(tracks: readonly Track[], columns: number, room: number): string[] {
  const count = (state: Track["state"]) => tracks.filter((track) => track.state === state).length;
  const active = tracks.filter((track) => !isDone(track) && track.state !== "waiting");
  // Those that do something come first: they are the ones to look at when not all fit.
  const order = [...active].sort((a, b) => Number(a.state === "queued") - Number(b.state === "queued"));
  const shown = order.slice(0, Math.max(1, room));
  const parts = [
    `${count("completed")} of ${tracks.length} completed`,
    count("failed") && `${count("failed")} failed`,
    count("cancelled") && `${count("cancelled")} cancelled`,
    active.length > shown.length && `${active.length - shown.length} more under way`,
    count("waiting") && `${count("waiting")} not sent yet`,
  ].filter(Boolean);
  const nameWidth = Math.min(
    Math.max(8, Math.floor(columns * 0.3)),
    Math.max(8, ...shown.map((t) => widthOf(shortName(t)))),
  );
  return [...shown.map((track) => row(track, columns - 1, nameWidth)), cut(parts.join(", "), columns - 1)];
}

function row(track: Track, width: number, nameWidth: number): string {
  const name = padTo(shortName(track), nameWidth);
  const percent = `${Math.round(track.percent)}%`.padStart(4);
  const barWidth = Math.min(24, width - nameWidth - 28);
  const bar = barWidth >= 6 ? ` ${barOf(track.percent, barWidth)}` : "";
  const note = track.state === "running" && track.note ? ` · ${clean(track.note)}` : "";
  return cut(`${name}${bar} ${percent} ${stateOf(track)}${note}`, width);
}

/** Folders leave no room for what tells one document from the next. */
const shortName = ({ name }: Track): string => clean(basename(name));

function barOf(percent: number, width: number): string {
  const full = Math.round((Math.min(100, Math.max(0, percent)) / 100) * width);
  return "█".repeat(full) + "░".repeat(width - full);
}

function stateOf(track: Track): string {
  return track.state === "running" && track.stage ? clean(track.stage) : track.state;
}

function endOf(track: Track): string {
  const took = track.endedAt > track.startedAt ? ` in ${duration(track.endedAt - track.startedAt)}` : "";
  return track.state === "failed" ? "" : took;
}
