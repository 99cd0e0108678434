-- What is posted where: as its owner set it.
create table webhook_subscriptions (
  id uuid primary key,
  user_id uuid not null,
  -- Encrypted, since its query may be a secret; `shown_url` is without.
  url bytea not null,
  shown_url text not null,
  events text[] not null,
  description text not null default '',
  -- Encrypted, as JSON.
  headers bytea,
  header_names text[] not null default '{}',
  -- Encrypted; the old one signs too until it expires.
  secret bytea not null,
  old_secret bytea,
  old_secret_expires_at timestamptz(3),
  is_ordered boolean not null default false,
  is_active boolean not null default true,
  disabled_reason text not null default '',
  request_id text,
  request_hash text,
  version int not null default 1,
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now()
);
create index webhook_subscriptions_by_user on webhook_subscriptions (user_id, id);
create unique index webhook_subscriptions_by_request on webhook_subscriptions (user_id, request_id)
  where request_id is not null;

-- How the endpoint of a subscription fares and who delivers to it: it changes with every turn, so it is apart.
create table webhook_endpoints (
  subscription_id uuid primary key references webhook_subscriptions (id) on delete cascade,
  user_id uuid not null,
  -- One process at a time delivers to it; the fence grows with each that begins to.
  held_until timestamptz(3) not null default '-infinity',
  fence bigint not null default 0,
  -- Since the last attempt that succeeded.
  failures int not null default 0,
  failing_since timestamptz(3),
  -- No attempt before.
  paused_until timestamptz(3) not null default '-infinity',
  served_at timestamptz(3) not null default now()
) with (fillfactor = 50);

-- One event on its way to one subscription.
create table webhook_deliveries (
  id uuid primary key,
  -- No foreign key: the changes of jobs, which make deliveries, would wait for whoever changes a subscription, and fail when
  -- it is deleted meanwhile. What is left of a deleted one is seen by nobody and swept.
  subscription_id uuid not null,
  user_id uuid not null,
  event_type text not null,
  -- The job that it is about, which may be gone.
  job_id uuid,
  sequence int not null default 0,
  -- The body as it is signed and sent.
  payload text not null,
  status text not null check (status in ('PENDING', 'DELIVERED', 'FAILED', 'SKIPPED')),
  attempts int not null default 0,
  -- The schedule counts from this attempt: those before belong to an earlier one.
  schedule_start int not null default 0,
  next_attempt_at timestamptz(3),
  last_error text not null default '',
  created_at timestamptz(3) not null default now(),
  delivered_at timestamptz(3)
) with (fillfactor = 80);
create index webhook_deliveries_due on webhook_deliveries (subscription_id, next_attempt_at, id) where status = 'PENDING';
-- What became of the events of a job, and whether an earlier one still waits.
create index webhook_deliveries_by_job on webhook_deliveries (job_id, sequence);
create index webhook_deliveries_by_subscription on webhook_deliveries (subscription_id, id);
create index webhook_deliveries_by_user on webhook_deliveries (user_id, id);

create table webhook_attempts (
  delivery_id uuid not null references webhook_deliveries (id) on delete cascade,
  number int not null,
  user_id uuid not null,
  started_at timestamptz(3) not null,
  duration_ms int not null,
  -- 0 when no answer came.
  http_status smallint not null default 0,
  error_class text not null default '',
  error_message text not null default '',
  response bytea not null default '',
  primary key (delivery_id, number)
);

alter table webhook_subscriptions enable row level security;
create policy owners on webhook_subscriptions using (user_id = any ((select seen_owners())::uuid[]));
alter table webhook_endpoints enable row level security;
create policy owners on webhook_endpoints using (user_id = any ((select seen_owners())::uuid[]));
alter table webhook_deliveries enable row level security;
create policy owners on webhook_deliveries using (user_id = any ((select seen_owners())::uuid[]));
alter table webhook_attempts enable row level security;
create policy owners on webhook_attempts using (user_id = any ((select seen_owners())::uuid[]));

-- UUIDv7 (RFC 9562, 5.7): 48 bits of milliseconds, the version, random bits.
create function new_uuid() returns uuid language sql volatile as $$
  select encode(set_bit(set_bit(
    overlay(uuid_send(gen_random_uuid()) placing
      substring(int8send(floor(extract(epoch from clock_timestamp()) * 1000)::bigint) from 3) from 1 for 6),
    52, 1), 53, 1), 'hex')::uuid
$$;

create function iso_time(t timestamptz) returns text language sql stable as $$
  select to_char(t at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

-- The deliveries of what happens to jobs, in the statement that makes it happen: as a trigger on their log, so that no
-- statement can leave them out.
create function deliver_job_events() returns trigger language plpgsql as $$
begin
  -- Most of what is logged is of no interest here.
  if not exists (select from logged where type = 'status_changed') then return null; end if;
  insert into webhook_deliveries (id, subscription_id, user_id, event_type, job_id, sequence, payload, status, next_attempt_at)
  select new_uuid(), s.id, s.user_id, l.event_type, j.id, l.sequence,
    json_build_object('type', l.event_type, 'version', 'v1', 'time', iso_time(l.time), 'job',
      json_strip_nulls(json_build_object('id', j.id, 'sequence', l.sequence,
        'status', 'JOB_STATUS_' || (l.payload->>'status'), 'attempt', (l.payload->>'attempt')::int,
        'pipelineName', j.pipeline_name, 'pipelineVersion', j.pipeline_version,
        'errorReason', l.payload->'error'->>'reason', 'errorStage', nullif(l.payload->'error'->>'stage', ''))))::text,
    case when s.is_active then 'PENDING' else 'SKIPPED' end, case when s.is_active then l.time end
  from (select *, case payload->>'status'
      when 'CREATED' then case when payload->>'previousStatus' is null then 'job.created' end
      when 'PROCESSING' then 'job.started'
      when 'COMPLETED' then 'job.completed'
      when 'FAILED' then 'job.failed'
      when 'CANCELLED' then 'job.cancelled' end as event_type
    from logged where type = 'status_changed') l
  join webhook_subscriptions s on s.user_id = l.owner_id and s.events && array['*', 'job.*', l.event_type]
  join jobs j on j.id = l.job_id
  where l.event_type is not null;
  -- A claim commits without waiting for the disk, and a crash of the server may take it back. What is told to others must stand.
  if found and current_setting('synchronous_commit') = 'off' then
    perform set_config('synchronous_commit', 'on', true);
  end if;
  return null;
end
$$;
create trigger job_events_delivered after insert on job_events referencing new table as logged
  for each statement execute function deliver_job_events();
