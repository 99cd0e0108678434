create table documents (
  id uuid primary key,
  owner_id uuid not null,
  filename text not null default '',
  media_type text not null default '',
  size_bytes bigint not null default 0,
  sha256 text,
  source text not null check (source in ('TEXT', 'INLINE', 'UPLOAD')),
  -- A ready document has its bytes in exactly one of these two; one that awaits its upload in neither.
  content bytea,
  object_key text,
  -- Where a presigned upload will put the bytes.
  upload_key text,
  -- The hash that the client announced for a presigned upload.
  expected_sha256 text,
  request_id text,
  created_at timestamptz(3) not null default now(),
  expires_at timestamptz(3)
);
create unique index documents_by_request on documents (owner_id, request_id) where request_id is not null;
create index documents_by_upload on documents (upload_key) where upload_key is not null;
create index documents_by_object on documents (object_key) where object_key is not null;

create table jobs (
  id uuid primary key,
  owner_id uuid not null,
  status text not null default 'CREATED'
    check (status in ('CREATED', 'PROCESSING', 'CANCELLING', 'CANCELLED', 'COMPLETED', 'FAILED')),
  -- 0 high, 1 normal, 2 low: the order of the claim.
  priority smallint not null default 1 check (priority between 0 and 2),
  pipeline_id uuid not null,
  pipeline_version int not null,
  pipeline_name text not null,
  document_id uuid not null references documents (id),
  labels jsonb not null default '{}',
  parameters jsonb not null default '{}',
  -- Encrypted; for documents that need a password.
  password bytea,
  request_id text,
  request_hash text,
  concurrency_key text,
  attempt int not null default 0,
  max_attempts int not null default 3,
  lost_claims int not null default 0,
  run_time timestamptz(3) not null default now(),
  timeout_ms bigint,
  locked_by text,
  locked_at timestamptz(3),
  heartbeat_at timestamptz(3),
  lease_until timestamptz(3),
  lease_token uuid,
  stage text,
  stage_share real not null default 0,
  stage_message text,
  stages_done smallint not null default 0,
  stages_total smallint not null default 0,
  error jsonb,
  last_sequence bigint not null default 0,
  version int not null default 1,
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  started_at timestamptz(3),
  ended_at timestamptz(3),
  expires_at timestamptz(3)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
-- The claim reads this in order; it holds only jobs that wait.
create index jobs_waiting on jobs (priority, run_time, id) where status = 'CREATED';
-- The sweep reads this; lease_until stays out of it, so that heartbeats touch no index.
create index jobs_running on jobs (id) where status in ('PROCESSING', 'CANCELLING');
create index jobs_by_owner on jobs (owner_id, id);
create index jobs_by_labels on jobs using gin (labels jsonb_path_ops) where labels <> '{}';
create unique index jobs_by_request on jobs (owner_id, request_id) where request_id is not null;
-- Of the jobs of one owner with the same key, one runs at a time: two claims at once cannot both succeed.
create unique index jobs_one_per_key on jobs (owner_id, concurrency_key)
  where concurrency_key is not null and status in ('PROCESSING', 'CANCELLING');
create index jobs_by_document on jobs (document_id);
-- Rates over the last minutes.
create index jobs_by_end on jobs (ended_at) where ended_at is not null;

create table job_stages (
  job_id uuid not null references jobs (id) on delete cascade,
  position smallint not null,
  name text not null,
  type text not null,
  status text not null check (status in ('RUNNING', 'SUCCEEDED', 'FAILED', 'SKIPPED')),
  attempt int not null,
  started_at timestamptz(3) not null default now(),
  ended_at timestamptz(3),
  error jsonb,
  from_checkpoint boolean not null default false,
  -- The document as it left this stage, found again by the hash of all that made it.
  checkpoint_key text,
  checkpoint bytea,
  checkpoint_object text,
  primary key (job_id, position)
);

create table job_events (
  job_id uuid not null references jobs (id) on delete cascade,
  sequence bigint not null,
  owner_id uuid not null,
  time timestamptz(3) not null default now(),
  type text not null,
  payload jsonb not null,
  primary key (job_id, sequence)
);

create table job_results (
  job_id uuid primary key references jobs (id) on delete cascade,
  -- Null when the text is larger than a row should be; it then lies in the object store.
  extracted_text text,
  result_metadata jsonb not null,
  quality_score real,
  processing_time_ms bigint not null,
  output_uri text,
  size_bytes bigint not null,
  sha256 text not null,
  created_at timestamptz(3) not null default now(),
  expires_at timestamptz(3)
);

create table job_result_contents (
  job_id uuid not null references job_results (job_id) on delete cascade,
  format text not null check (format in ('TEXT', 'MARKDOWN', 'JSON', 'CHUNKS')),
  content text,
  object_key text,
  size_bytes bigint not null,
  sha256 text not null,
  primary key (job_id, format)
);

create table workers (
  id text primary key,
  host text not null,
  version text not null,
  pid int not null,
  concurrency int not null,
  running int not null default 0,
  draining boolean not null default false,
  started_at timestamptz(3) not null default now(),
  heartbeat_at timestamptz(3) not null default now()
);
