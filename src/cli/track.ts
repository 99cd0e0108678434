import { type JobEvent, JobStatus } from "@sluice/sdk";

/** Where one document is on its way, as far as people want to see it. */
export interface Track {
  readonly name: string;
  state: "waiting" | "uploading" | "queued" | "running" | "completed" | "failed" | "cancelled";
  /** 0 to 100 of the job, or of the upload while that runs. */
  percent: number;
  stage: string;
  /** What the stage says, or why it failed. */
  note: string;
  jobId: string;
  startedAt: number;
  endedAt: number;
}

/** A document that nothing has happened to yet. */
export function newTrack(name: string): Track {
  return { name, state: "waiting", percent: 0, stage: "", note: "", jobId: "", startedAt: 0, endedAt: 0 };
}

export const isDone = ({ state }: Track): boolean =>
  state === "completed" || state === "failed" || state === "cancelled";

/** Takes an event into account. The final state is not taken from here: the job itself tells it. */
export function applyEvent(track: Track, { event }: JobEvent): void {
  switch (event.case) {
    case "statusChanged":
      track.state = event.value.status === JobStatus.CREATED ? "queued" : "running";
      if (event.value.status === JobStatus.CREATED) track.stage = "";
      break;
    case "stageStarted": {
      const { name, index, stagesTotal } = event.value;
      track.stage = name;
      track.note = "";
      track.percent = Math.max(track.percent, share(index, stagesTotal));
      break;
    }
    case "stageProgress":
      track.stage = event.value.name;
      track.note = event.value.message;
      track.percent = Math.max(track.percent, Math.min(100, event.value.jobPercent));
      break;
    default:
      break;
  }
}

function share(done: number, total: number): number {
  return total > 0 ? Math.min(100, (done / total) * 100) : 0;
}
