import type { Campaign } from "./campaign.ts";

export interface Verdict {
  readonly name: string;
  readonly measured: string;
  readonly holds: boolean;
}

const MIB = 1024 * 1024;
const MOST_GROWTH = 48 * MIB;
const MOST_PAUSE_MS = 50;

/** What must hold after a campaign. */
export function judgeCampaign(
  { documents, findings, memory, pauses, healthy }: Campaign,
  wanted: number,
): readonly Verdict[] {
  const mib = (bytes: number): string => `${(bytes / MIB).toFixed(0)} MiB`;
  return [
    {
      name: "every document had its turn",
      measured: `${documents} of ${wanted}`,
      holds: documents === wanted,
    },
    {
      name: "every document ended completed or with its reason, the healthy ones as ever",
      measured: `${findings.length} did not, ${healthy} healthy ones beside`,
      holds: findings.length === 0 && healthy > 0,
    },
    {
      name: "memory of the worker is flat",
      measured: `${mib(memory.early)} early, ${mib(memory.late)} at the end`,
      holds: memory.late - memory.early <= MOST_GROWTH,
    },
    {
      name: `the event loop of the worker never stands still for more than ${MOST_PAUSE_MS} ms`,
      measured: `${pauses.longestOwnMs.toFixed(0)} ms of its own, ${pauses.longestMs.toFixed(0)} ms with those of the machine`,
      holds: pauses.longestOwnMs <= MOST_PAUSE_MS,
    },
  ];
}
