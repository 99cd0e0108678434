import { likePattern, type Sql } from "../db/sql.ts";
import type { Pipeline, PipelineVersion, StageConfig } from "./model.ts";

type PipelineRow = Omit<Pipeline, "stages"> & { config: { stages: StageConfig[] } };

function fromRow({ config, ...row }: PipelineRow): Pipeline {
  return { ...row, stages: config.stages };
}

/** By id or by name, whichever is given. */
export type PipelineKey = { id: string } | { name: string };

export async function findPipeline(sql: Sql, key: PipelineKey): Promise<Pipeline | null> {
  const [row] = await sql<PipelineRow[]>`
    select id, name, description, config, is_active, version, created_by, created_at as create_time,
      updated_at as update_time
    from pipelines
    where ${"id" in key ? sql`id = ${key.id}` : sql`name = ${key.name}`} and deleted_at is null`;
  return row ? fromRow(row) : null;
}

export async function findPipelineVersion(
  sql: Sql,
  pipelineId: string,
  version: number,
): Promise<PipelineVersion | null> {
  const [row] = await sql<(Omit<PipelineVersion, "stages"> & { config: { stages: StageConfig[] } })[]>`
    select v.pipeline_id, p.name, v.version, v.config
    from pipeline_versions v join pipelines p on p.id = v.pipeline_id
    where v.pipeline_id = ${pipelineId} and v.version = ${version}`;
  return row
    ? { pipelineId: row.pipelineId, name: row.name, version: row.version, stages: row.config.stages }
    : null;
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
    select id, name, description, config, is_active, version, created_by, created_at as create_time,
      updated_at as update_time
    from pipelines where deleted_at is null
      ${filter.query ? sql`and (name ilike ${likePattern(filter.query)} or description ilike ${likePattern(filter.query)})` : sql``}
      ${filter.isActive === null ? sql`` : sql`and is_active = ${filter.isActive}`}
      ${page.beforeId ? sql`and id < ${page.beforeId}` : sql``}
    order by id desc limit ${page.limit}`;
  return rows.map(fromRow);
}
