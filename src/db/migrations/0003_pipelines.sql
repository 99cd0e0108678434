create table pipelines (
  id uuid primary key,
  name text not null,
  description text not null default '',
  config jsonb not null,
  is_active boolean not null default true,
  version int not null default 1,
  created_by uuid,
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  deleted_at timestamptz(3)
);
create unique index pipelines_by_name on pipelines (name) where deleted_at is null;

-- Immutable: a job names (pipeline_id, version), which is its snapshot.
create table pipeline_versions (
  pipeline_id uuid not null references pipelines (id),
  version int not null,
  config jsonb not null,
  description text not null default '',
  created_by uuid,
  created_at timestamptz(3) not null default now(),
  primary key (pipeline_id, version)
);

insert into pipelines (id, name, description, config) values (
  '00000000-0000-7000-8000-000000000001', 'default',
  'Fetch, detect, extract, normalize, enrich, chunk and score a document.',
  '{"stages": [
    {"name": "fetch", "type": "fetch", "options": {}},
    {"name": "detect", "type": "detect", "options": {}},
    {"name": "extract", "type": "extract", "options": {}},
    {"name": "normalize", "type": "normalize", "options": {}},
    {"name": "enrich", "type": "enrich", "options": {}},
    {"name": "chunk", "type": "chunk", "options": {}},
    {"name": "quality", "type": "quality", "options": {}}
  ]}');
insert into pipeline_versions (pipeline_id, version, config, description)
  select id, version, config, description from pipelines;
