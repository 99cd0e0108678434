-- A repeated create finds what the first one made; the hash tells whether it asked for the same.
alter table pipelines add column request_id text, add column request_hash text;
create unique index pipelines_by_request on pipelines (created_by, request_id) where request_id is not null;
-- The last of a name that is free again.
create index pipelines_deleted on pipelines (name, deleted_at) where deleted_at is not null;
