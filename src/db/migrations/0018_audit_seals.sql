-- Tamper evidence beside audit_logs: which entry has which number of the chain, and signed checkpoints of it.
create table audit_seals (
  -- Without gaps from 1.
  sequence bigint primary key,
  -- Not unique: a row with the id of another, added past the service, must not hold up the seals of all that follow.
  id uuid not null,
  timestamp timestamptz(3) not null,
  -- SHA-256 of the entry alone; hash is that of the hash before, this one and the time.
  digest bytea not null,
  hash bytea not null
);
create index audit_seals_by_id on audit_seals (id);
create index audit_seals_by_time on audit_seals (timestamp, sequence);

create table audit_checkpoints (
  -- Without gaps.
  number bigint primary key,
  sequence bigint not null,
  hash bytea not null,
  -- Entries since the checkpoint before.
  count bigint not null,
  time timestamptz(3) not null,
  -- What retention has removed: numbers up to this one, their last hash, and all entries before an instant; and the
  -- first checkpoint that is kept.
  anchor_sequence bigint not null,
  anchor_hash bytea not null,
  anchor_time timestamptz(3),
  anchor_number bigint not null,
  previous_signature bytea not null,
  signature bytea not null
);
create index audit_checkpoints_by_sequence on audit_checkpoints (sequence, number);

create function audit_chain_refuse_change() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' and current_setting('sluice.audit_retention', true) = 'on' then
    return null;
  end if;
  raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end $$;
create trigger audit_seals_append_only before update or delete or truncate on audit_seals
  for each statement execute function audit_chain_refuse_change();
create trigger audit_checkpoints_append_only before update or delete or truncate on audit_checkpoints
  for each statement execute function audit_chain_refuse_change();

-- Entries that have no number yet, however old their own time is. Vacuumed early: nearly all of its rows are dead.
create table audit_unsealed (
  timestamp timestamptz(3) not null,
  id uuid not null,
  queued_at timestamptz(3) not null default clock_timestamp(),
  primary key (timestamp, id)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

create function audit_logs_queue() returns trigger language plpgsql as $$
begin
  insert into audit_unsealed (timestamp, id) select timestamp, id from added;
  return null;
end $$;
-- Once a statement, not once a row.
create trigger audit_logs_queue after insert on audit_logs
  referencing new table as added for each statement execute function audit_logs_queue();
insert into audit_unsealed (timestamp, id) select timestamp, id from audit_logs;

-- Each filter in the order of time, and what has no value takes no place.
drop index audit_logs_by_resource;
create index audit_logs_by_resource_type on audit_logs (resource_type, timestamp, id) where resource_type <> '';
create index audit_logs_by_resource_id on audit_logs (resource_id, timestamp, id) where resource_id <> '';
create index audit_logs_by_address on audit_logs (ip_address, timestamp, id) where ip_address is not null;
create index audit_logs_failures on audit_logs (timestamp, id) where not success;
