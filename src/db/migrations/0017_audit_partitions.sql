-- The record by months, so that retention drops whole months, and with what every call leaves. Rows are never updated.
alter table audit_logs rename to audit_logs_before;
alter index audit_logs_pkey rename to audit_logs_before_pkey;
drop index audit_logs_by_time, audit_logs_by_user, audit_logs_by_resource, audit_logs_by_action;
drop trigger audit_logs_append_only on audit_logs_before;

create table audit_logs (
  id uuid not null,
  -- The writer says it, so that the same row has the same key however often it is sent.
  timestamp timestamptz(3) not null default clock_timestamp(),
  -- Null: nobody was known (a failed login), or the service itself acted.
  user_id uuid,
  action text not null,
  resource_type text not null default '',
  resource_id text not null default '',
  request_details jsonb not null default '{}',
  success boolean not null default true,
  error_message text not null default '',
  ip_address inet,
  user_agent text not null default '',
  request_id text not null default '',
  duration_ms double precision,
  -- Session or API key that was used; never its secret.
  credential_id text not null default '',
  -- What kind of credential: jwt, api_key, none; empty where there was no call, or it did not get so far.
  credential text not null default '',
  -- The method in full, as sluice.v1.JobsService/CreateJob; empty where there was no call.
  method text not null default '',
  -- The gRPC code in lower case, ok among them; empty where there was no call, and at the beginning of a stream.
  code text not null default '',
  -- What the gate said: allowed or denied; empty where it was not asked.
  decision text not null default '',
  -- begin or end of a stream; empty for what has one row.
  phase text not null default '',
  -- In this order: the rows of a time are found by it.
  primary key (timestamp, id),
  -- What cannot be told, and so not be sealed, is not taken: it would hold up the seals of all others.
  constraint audit_logs_tellable check (timestamp >= '1970-01-01 00:00:00+00' and timestamp < '10000-01-01 00:00:00+00'
    and abs(duration_ms) < 'infinity')
) partition by range (timestamp);
create index audit_logs_by_user on audit_logs (user_id, timestamp, id);
create index audit_logs_by_resource on audit_logs (resource_type, resource_id, timestamp, id);
create index audit_logs_by_action on audit_logs (action, timestamp, id);

create trigger audit_logs_append_only before update or delete or truncate on audit_logs
  for each statement execute function audit_logs_refuse_change();

-- What no month takes: rows of a machine whose clock is far off, or that come after their month was removed.
create table audit_logs_default partition of audit_logs default;
create trigger audit_logs_append_only before update or delete or truncate on audit_logs_default
  for each statement execute function audit_logs_refuse_change();

-- Makes the partition of the month, in UTC, in which an instant lies: audit_logs_2026_11 for November 2026. Answers
-- false if it was there. Processes may ask at once. Rows that the default partition took meanwhile move, unchanged.
create function audit_logs_add_month(instant timestamptz) returns boolean language plpgsql as $$
declare
  first_day constant timestamp not null := date_trunc('month', instant at time zone 'UTC');
  since constant timestamptz not null := first_day at time zone 'UTC';
  until constant timestamptz not null := (first_day + interval '1 month') at time zone 'UTC';
  name constant text not null := 'audit_logs_' || to_char(first_day, 'YYYY_MM');
begin
  perform pg_advisory_xact_lock(5105171017);
  if to_regclass(name) is not null then
    return false;
  end if;
  execute format('create table %I (like audit_logs including defaults including constraints)', name);
  execute format('create trigger audit_logs_append_only before update or delete or truncate on %I '
    'for each statement execute function audit_logs_refuse_change()', name);
  -- Before the rows are looked at, or one that comes between makes the attaching fail.
  lock table audit_logs_default in access exclusive mode;
  if exists (select from audit_logs_default where timestamp >= since and timestamp < until) then
    execute format('insert into %I select * from audit_logs_default where timestamp >= $1 and timestamp < $2', name)
      using since, until;
    perform set_config('sluice.audit_retention', 'on', true);
    delete from audit_logs_default where timestamp >= since and timestamp < until;
    perform set_config('sluice.audit_retention', '', true);
  end if;
  -- Attached, not made as a partition: that would lock the whole table.
  execute format('alter table audit_logs attach partition %I for values from (%L) to (%L)', name, since, until);
  return true;
end $$;

select audit_logs_add_month(month) from (
  select distinct date_trunc('month', timestamp at time zone 'UTC') at time zone 'UTC' from audit_logs_before
  union select now() union select now() + interval '1 month'
) as months (month);

insert into audit_logs (id, timestamp, user_id, action, resource_type, resource_id, request_details, success,
  error_message, ip_address, user_agent, request_id, duration_ms, credential_id)
select id, timestamp, user_id, action, resource_type, resource_id, request_details, success,
  error_message, ip_address, user_agent, request_id, duration_ms, credential_id
from audit_logs_before;
drop table audit_logs_before;
