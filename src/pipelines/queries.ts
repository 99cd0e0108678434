import { json, likePattern, type Sql } from "../db/sql.ts";
import type { Pipeline, PipelineVersion, StageConfig } from "./model.ts";

type PipelineRow = Omit<Pipeline, "stages"> & { config: { stages: StageConfig[] } };

function fromRow({ config, ...row }: PipelineRow): Pipeline {
  return { ...row, stages: config.stages };
}

const pipelineColumns = (sql: Sql) =>
  sql`id, name, description, config, is_active, version, created_by, created_at as create_time, updated_at as update_time`;

type SnapshotRow = Omit<PipelineVersion, "stages"> & { config: { stages: StageConfig[] } };

function snapshotFromRow({ config, ...row }: SnapshotRow): PipelineVersion {
  return { ...row, stages: config.stages };
}

const snapshotColumns = (sql: Sql) => sql`v.pipeline_id, p.name, v.version, v.config`;

/** By id or by name, whichever is given. */
export type PipelineKey = { id: string } | { name: string };

export async function findPipeline(sql: Sql, key: PipelineKey): Promise<Pipeline | null> {
  const [row] = await sql<PipelineRow[]>`
    select ${pipelineColumns(sql)} from pipelines
    where ${"id" in key ? sql`id = ${key.id}` : sql`name = ${key.name}`} and deleted_at is null`;
  return row ? fromRow(row) : null;
}

/** The pipeline as it stands, for one who changes it: nobody else does until the transaction ends. */
export async function lockPipeline(sql: Sql, id: string): Promise<Pipeline | null> {
  const [row] = await sql<PipelineRow[]>`
    select ${pipelineColumns(sql)} from pipelines where id = ${id} and deleted_at is null for update`;
  return row ? fromRow(row) : null;
}

/** When the pipeline was deleted that had the id, or, as the last one, the name; null when none was. */
export async function findDeleted(sql: Sql, key: PipelineKey): Promise<Date | null> {
  const [row] = await sql<{ deletedAt: Date }[]>`
    select deleted_at from pipelines
    where ${"id" in key ? sql`id = ${key.id}` : sql`name = ${key.name}`} and deleted_at is not null
    order by deleted_at desc limit 1`;
  return row?.deletedAt ?? null;
}

export async function findPipelineVersion(
  sql: Sql,
  pipelineId: string,
  version: number,
): Promise<PipelineVersion | null> {
  const [row] = await sql<SnapshotRow[]>`
    select ${snapshotColumns(sql)} from pipeline_versions v join pipelines p on p.id = v.pipeline_id
    where v.pipeline_id = ${pipelineId} and v.version = ${version}`;
  return row ? snapshotFromRow(row) : null;
}

/** The version that a job runs, whoever owns the job. */
export async function findVersionOfJob(sql: Sql, jobId: string): Promise<PipelineVersion | null> {
  const [row] = await sql<SnapshotRow[]>`
    select ${snapshotColumns(sql)}
    from jobs j
    join pipeline_versions v on v.pipeline_id = j.pipeline_id and v.version = j.pipeline_version
    join pipelines p on p.id = v.pipeline_id
    where j.id = ${jobId}`;
  return row ? snapshotFromRow(row) : null;
}

/** The pipeline as it was at a version, with the name and the state that it has now. Null: no such version. */
export async function findPipelineAt(sql: Sql, id: string, version: number): Promise<Pipeline | null> {
  const [row] = await sql<PipelineRow[]>`
    select ${versionColumns(sql)} from pipeline_versions v join pipelines p on p.id = v.pipeline_id
    where v.pipeline_id = ${id} and v.version = ${version}`;
  return row ? fromRow(row) : null;
}

const versionColumns = (sql: Sql) =>
  sql`p.id, p.name, v.description, v.config, p.is_active, v.version, p.created_by, p.created_at as create_time,
    v.created_at as update_time`;

/** A page of the versions of a pipeline, newest first. */
export async function listVersions(
  sql: Sql,
  id: string,
  page: { limit: number; before: number | null },
): Promise<Pipeline[]> {
  const rows = await sql<PipelineRow[]>`
    select ${versionColumns(sql)} from pipeline_versions v join pipelines p on p.id = v.pipeline_id
    where v.pipeline_id = ${id} ${page.before === null ? sql`` : sql`and v.version < ${page.before}`}
    order by v.version desc limit ${page.limit}`;
  return rows.map(fromRow);
}

export interface PipelineFilter {
  /** Part of a name or description, in any case; empty = all. */
  query: string;
  /** Null = both. */
  isActive: boolean | null;
}

/** A page of pipelines, newest first. */
export async function listPipelines(
  sql: Sql,
  filter: PipelineFilter,
  page: { limit: number; beforeId: string | null },
): Promise<Pipeline[]> {
  const rows = await sql<PipelineRow[]>`
    select ${pipelineColumns(sql)} from pipelines where deleted_at is null
      ${filter.query ? sql`and (name ilike ${likePattern(filter.query)} or description ilike ${likePattern(filter.query)})` : sql``}
      ${filter.isActive === null ? sql`` : sql`and is_active = ${filter.isActive}`}
      ${page.beforeId ? sql`and id < ${page.beforeId}` : sql``}
    order by id desc limit ${page.limit}`;
  return rows.map(fromRow);
}

export interface NewPipeline {
  id: string;
  name: string;
  description: string;
  stages: readonly StageConfig[];
  isActive: boolean;
  createdBy: string;
  requestId: string | null;
  requestHash: string | null;
}

/** Null, and nothing written, when its name is taken or its request id was used. */
export async function insertPipeline(sql: Sql, pipeline: NewPipeline): Promise<Pipeline | null> {
  const [row] = await sql<PipelineRow[]>`
    with p as (
      insert into pipelines (id, name, description, config, is_active, created_by, request_id, request_hash)
      values (${pipeline.id}, ${pipeline.name}, ${pipeline.description},
        ${json({ stages: pipeline.stages })}::text::jsonb, ${pipeline.isActive}, ${pipeline.createdBy},
        ${pipeline.requestId}, ${pipeline.requestHash})
      on conflict do nothing
      returning *
    ), v as (
      insert into pipeline_versions (pipeline_id, version, config, description, created_by, created_at)
      select id, version, config, description, created_by, updated_at from p
    )
    select ${pipelineColumns(sql)} from p`;
  return row ? fromRow(row) : null;
}

/** What a request id has made. */
export interface RequestedPipeline {
  id: string;
  requestHash: string;
  /** Within the 24 hours that a request id counts. */
  withinWindow: boolean;
}

export async function findByRequest(
  sql: Sql,
  createdBy: string,
  requestId: string,
): Promise<RequestedPipeline | null> {
  const [row] = await sql<RequestedPipeline[]>`
    select id, request_hash, created_at > now() - interval '24 hours' as within_window
    from pipelines where created_by = ${createdBy} and request_id = ${requestId}`;
  return row ?? null;
}

/** Frees the request id of a pipeline that was created more than 24 hours ago. */
export async function releaseRequest(sql: Sql, id: string): Promise<void> {
  await sql`update pipelines set request_id = null, request_hash = null
    where id = ${id} and created_at <= now() - interval '24 hours'`;
}

/** Makes the next version of a pipeline that is locked. */
export async function insertNextVersion(
  sql: Sql,
  id: string,
  next: {
    name: string;
    description: string;
    stages: readonly StageConfig[];
    isActive: boolean;
    createdBy: string;
  },
): Promise<Pipeline> {
  const [row] = await sql<PipelineRow[]>`
    with p as (
      update pipelines set name = ${next.name}, description = ${next.description},
        config = ${json({ stages: next.stages })}::text::jsonb, is_active = ${next.isActive},
        version = version + 1, updated_at = now()
      where id = ${id}
      returning *
    ), v as (
      insert into pipeline_versions (pipeline_id, version, config, description, created_by, created_at)
      select id, version, config, description, ${next.createdBy}::uuid, updated_at from p
    )
    select ${pipelineColumns(sql)} from p`;
  if (!row) throw new Error("a locked pipeline is gone");
  return fromRow(row);
}

/** Its versions stay, for the jobs that run them; its name is free. */
export async function markDeleted(sql: Sql, id: string): Promise<void> {
  await sql`update pipelines set deleted_at = now(), updated_at = now() where id = ${id}`;
}
