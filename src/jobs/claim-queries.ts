import type { Sql } from "../db/sql.ts";
import type { StageConfig } from "../pipelines/model.ts";
import type { QueueEntry, Selection } from "../queue/queue.ts";
import { entryOf, type JobRow, jobColumns, jobFromRow } from "./job-row.ts";
import type { Lease } from "./lease-queries.ts";
import type { Job } from "./model.ts";

export interface ClaimedJob {
  readonly job: Job;
  readonly entry: QueueEntry;
  readonly lease: Lease;
  readonly stages: readonly StageConfig[];
  /** Encrypted password of the document, if the job has one. */
  readonly password: Uint8Array | null;
}

/**
 * Gives the jobs that `selection` names to the worker. Each gets a fresh lease token, one attempt more and an event. When
 * two claims meet on the last place of a concurrency key, one of them fails with SQLSTATE 23505 and is made again.
 * Safe to lose by a crash before its flush: the jobs then still wait.
 */
export async function claimJobs(
  sql: Sql,
  claim: { workerId: string; leaseMs: number; selection: Selection },
): Promise<ClaimedJob[]> {
  const rows = await sql<
    (JobRow & { leaseToken: string; config: { stages: StageConfig[] }; password: Uint8Array | null })[]
  >`
    with j as (
      update jobs set status = 'PROCESSING', attempt = attempt + 1, lease_token = gen_random_uuid(),
        locked_by = ${claim.workerId}, locked_at = now(), heartbeat_at = now(),
        lease_until = now() + ${claim.leaseMs}::int * interval '1 millisecond',
        started_at = now(), concurrency_slot = picked.slot,
        stage = null, stage_message = null, peak_memory_bytes = null,
        last_sequence = last_sequence + 1, version = jobs.version + 1, updated_at = now()
      from ${claim.selection(sql)} as picked, pipeline_versions v
      where jobs.id = picked.id and v.pipeline_id = jobs.pipeline_id and v.version = jobs.pipeline_version
      returning jobs.*, v.config, picked.turn
    ), e as (
      insert into job_events (job_id, sequence, owner_id, type, payload)
      select id, last_sequence, owner_id, 'status_changed',
        jsonb_build_object('status', 'PROCESSING', 'previousStatus', 'CREATED', 'attempt', attempt) from j
    )
    select ${jobColumns(sql)}, lease_token, password, config from j order by turn`;
  return rows.map(({ leaseToken, config, password, ...row }) => {
    const job = jobFromRow(row);
    const lease = { jobId: row.id, token: leaseToken };
    return { job, entry: entryOf(job), lease, stages: config.stages, password };
  });
}
