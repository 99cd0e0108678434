alter table jobs
  -- Waits for others with its concurrency key to end, and stands aside of the line until then.
  add column parked boolean not null default false,
  -- How many of its owner's jobs with its key may run when it begins.
  add column concurrency_limit smallint not null default 1 check (concurrency_limit between 1 and 1000),
  -- Which of those places it has while it runs.
  add column concurrency_slot smallint not null default 1;

-- Only those that could be next stand in the line.
create index jobs_line on jobs (priority, owner_id, run_time, id) where status = 'CREATED' and not parked;
drop index jobs_in_line;
create index jobs_waiting_by_key on jobs (owner_id, concurrency_key, parked, run_time, id)
  where concurrency_key is not null and status = 'CREATED';
-- Two claims at once cannot both take the last place of a key.
create unique index jobs_running_by_key on jobs (owner_id, concurrency_key, concurrency_slot)
  where concurrency_key is not null and status in ('PROCESSING', 'CANCELLING');
drop index jobs_one_per_key;

alter table queue_state
  -- Names this installation to what others share with it, as a Redis.
  add column installation uuid not null default gen_random_uuid(),
  -- When some process last began to compare the queue with the rows.
  add column reconciled_at timestamptz(3) not null default '-infinity';
