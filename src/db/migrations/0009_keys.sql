-- Of the waiting jobs with a concurrency key, those that stand aside and those that stand in the line. The most urgent
-- comes first, as in the line.
create index jobs_parked_by_key on jobs (owner_id, concurrency_key, priority, run_time, id)
  where concurrency_key is not null and status = 'CREATED' and parked;
-- In words that the index of the line does not know, so that no plan reads the line for a key.
create index jobs_standing_by_key on jobs (owner_id, concurrency_key, priority, run_time, id)
  where concurrency_key is not null and status = 'CREATED' and coalesce(parked, false) = false;
drop index jobs_waiting_by_key;

-- `keys` everywhere: [{"ownerId": uuid, "concurrencyKey": text}, ...]

-- From here to the end of the transaction nobody else lets in or puts aside jobs of these keys, so that each decision
-- sees what the one before has done. In one order, so that two who want the same keys do not wait in a circle.
create function lock_concurrency_keys(keys jsonb) returns void language sql as $$
  select pg_advisory_xact_lock(lock) from (
    select distinct hashtextextended(k."ownerId" || ' ' || k."concurrencyKey", 0) as lock
    from jsonb_to_recordset(keys) as k("ownerId" text, "concurrencyKey" text)
    order by lock
  ) as locks
$$;

-- How many jobs of a key hold a job of priority `before` back: those that run, and those that stand in the line and are
-- as urgent. Those whose time has not come do not count: they take no place yet. A limit is 1,000 at the most.
create function jobs_ahead_of_key(owner uuid, key text, before smallint) returns bigint language sql stable as $$
  select (select count(*) from jobs where owner_id = owner and concurrency_key = key
      and status in ('PROCESSING', 'CANCELLING'))
    + (select count(*) from (select from jobs where owner_id = owner and concurrency_key = key
        and concurrency_key is not null and status = 'CREATED' and coalesce(parked, false) = false
        and priority <= before and run_time <= now() limit 1001) as standing)
$$;

-- Lets into the line, of each key, as many parked jobs as there are places; the most urgent first, of these the longest
-- waiting. One statement for its caller: a process that freezes holds no lock of a key. Its own statements see what was
-- committed before the lock was there.
create function admit_parked(keys jsonb) returns setof jobs language plpgsql as $$
begin
  perform lock_concurrency_keys(keys);
  loop
    return query
      with next as (
        select n.id from jsonb_to_recordset(keys) as k("ownerId" uuid, "concurrencyKey" text)
        cross join lateral (
          select concurrency_limit - jobs_ahead_of_key(owner_id, concurrency_key, priority) as places from jobs
          where owner_id = k."ownerId" and concurrency_key = k."concurrencyKey" and status = 'CREATED' and parked
          order by priority, run_time, id limit 1
        ) as free
        cross join lateral (
          select id from jobs
          where owner_id = k."ownerId" and concurrency_key = k."concurrencyKey" and status = 'CREATED' and parked
          order by priority, run_time, id limit greatest(free.places, 0) for update skip locked
        ) as n
      )
      update jobs set parked = false from next where jobs.id = next.id and jobs.status = 'CREATED'
      returning jobs.*;
    -- The next in turn may have a higher limit.
    exit when not found;
  end loop;
end
$$;

-- Puts aside up to `most` jobs that stand in the line of a key without a free place. Answers how many it were.
create function park_blocked(keys jsonb, most int) returns int language plpgsql as $$
declare
  parked_jobs int;
begin
  perform lock_concurrency_keys(keys);
  with blocked as (
    select b.id from jsonb_to_recordset(keys) as k("ownerId" uuid, "concurrencyKey" text)
    cross join lateral (
      select count(*) as running from jobs where owner_id = k."ownerId" and concurrency_key = k."concurrencyKey"
        and status in ('PROCESSING', 'CANCELLING')
    ) as r cross join lateral (
      select id from jobs where owner_id = k."ownerId" and concurrency_key = k."concurrencyKey" and status = 'CREATED'
        and concurrency_key is not null and coalesce(parked, false) = false and run_time <= now()
        and concurrency_limit <= r.running
      order by priority, run_time, id limit most for update skip locked
    ) as b
  )
  update jobs set parked = true from blocked where jobs.id = blocked.id and jobs.status = 'CREATED';
  get diagnostics parked_jobs = row_count;
  return parked_jobs;
end
$$;
