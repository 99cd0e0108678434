-- Which waiting jobs a claim takes, in small steps: each is planned once a connection, and none is begun in vain. Every
-- step sees what was committed before it. A job that is answered is locked until the transaction ends.

-- Fewer jobs of this key run than its limit says.
create function key_has_place(owner uuid, key text, most smallint) returns boolean language sql stable as $$
  select (select count(*) from jobs where owner_id = owner and concurrency_key = key
    and status in ('PROCESSING', 'CANCELLING')) < most
$$;

-- The row could begin now. In words that no partial index knows: a plan made while nothing waited would else read the line
-- for each row, instead of the primary key. Without a subquery, so that it becomes a part of the statement that asks.
create function may_begin(waits jobs) returns boolean language sql stable as $$
  select coalesce(waits.status, '') = 'CREATED' and not coalesce(waits.parked, false) and waits.run_time <= now()
    and (waits.concurrency_key is null or key_has_place(waits.owner_id, waits.concurrency_key, waits.concurrency_limit))
$$;

-- Of these jobs, locked by the caller, those that find a place of their concurrency key, in their order, with that place.
-- Of several claims at once one looks at a key: the others would choose the same places.
create function take_places(ids uuid[]) returns table (id uuid, turn bigint, slot smallint) language plpgsql as $$
declare
  ours jsonb;
begin
  select jsonb_agg(k) into ours from (
    select j.owner_id, j.concurrency_key, max(j.concurrency_limit) as most from jobs j
    where j.id = any(ids) and j.concurrency_key is not null group by j.owner_id, j.concurrency_key
  ) as k where pg_try_advisory_xact_lock(hashtextextended(k.owner_id || ' ' || k.concurrency_key, 1));
  return query
    with free as materialized (
      select t.owner_id, t.concurrency_key, f.slot, cardinality(t.slots) as running,
        row_number() over (partition by t.owner_id, t.concurrency_key order by f.slot) as nth
      from (
        select k.*, coalesce((select array_agg(r.concurrency_slot) from jobs r where r.owner_id = k.owner_id
          and r.concurrency_key = k.concurrency_key and r.status in ('PROCESSING', 'CANCELLING')), '{}') as slots
        from jsonb_to_recordset(ours) as k(owner_id uuid, concurrency_key text, most smallint)
      ) as t cross join lateral (
        select s::smallint as slot from generate_series(1, t.most) as s except select unnest(t.slots)
      ) as f
    )
    select w.id, w.turn, coalesce(k.slot, 1::smallint) from (
      select j.id, j.owner_id, j.concurrency_key, j.concurrency_limit, u.turn,
        row_number() over (partition by j.owner_id, j.concurrency_key order by u.turn) as nth
      from unnest(ids) with ordinality as u(id, turn) join jobs j on j.id = u.id
    ) as w left join free k on k.owner_id = w.owner_id and k.concurrency_key = w.concurrency_key and k.nth = w.nth
    where w.concurrency_key is null or k.nth + k.running <= w.concurrency_limit;
end
$$;

-- Up to `most` owners with jobs in the line of `rank`, in the order of their ids beginning after `after`, each with
-- the time and the id of its first job. Hops from owner to owner in the index, however many jobs each has.
create function owners_in_line(rank smallint, after uuid, most int)
  returns table (owner_id uuid, first_time timestamptz, first_id uuid) language plpgsql as $$
declare
  -- Nobody has the one as an id, and nobody one behind the other.
  nil constant uuid := '00000000-0000-0000-0000-000000000000';
  last constant uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
  until uuid := last;
begin
  owner_id := after;
  loop
    select j.owner_id, j.run_time, j.id into owner_id, first_time, first_id from jobs j
    where j.status = 'CREATED' and not j.parked and j.priority = rank and j.run_time <= now()
      and j.owner_id > owners_in_line.owner_id and j.owner_id <= until
    order by j.owner_id, j.run_time, j.id limit 1;
    if found then
      return next;
      most := most - 1;
      exit when most = 0;
    else
      exit when until = after;
      owner_id := nil;
      until := after;
    end if;
  end loop;
end
$$;

-- Up to `most` jobs of the first of `ranks` that has any, in fair turns: owners in the order of their ids beginning after
-- the one at the same place in `after`, as many of each as it takes when all have enough; of an owner those that have
-- been able to run for longest. When those owners have less, goes on to `spare_owners` more; of each owner looks at
-- `spare_jobs` jobs more than it takes: keys may hold some back. None while the queue is paused.
create function next_in_line(ranks smallint[], after uuid[], most int, spare_owners int, spare_jobs int)
  returns table (id uuid, turn bigint, slot smallint) language plpgsql as $$
declare
  line int := 0;
  owners uuid[];
  times timestamptz[];
  firsts uuid[];
  share int;
  taken uuid[];
  taken_keyed boolean;
  ids uuid[] := '{}';
  keyed boolean := false;
  served int := 0;
begin
  if (select paused from queue_state) then return; end if;
  loop
    line := line + 1;
    if line > cardinality(ranks) then return; end if;
    select array_agg(o.owner_id), array_agg(o.first_time), array_agg(o.first_id) into owners, times, firsts
    from owners_in_line(ranks[line], after[line], most) as o;
    exit when owners is not null;
  end loop;
  share := ceil(most::numeric / cardinality(owners));
  loop
    if served = cardinality(owners) then
      exit when served <> most;
      select owners || array_agg(o.owner_id), times || array_agg(o.first_time), firsts || array_agg(o.first_id)
      into owners, times, firsts
      from owners_in_line(ranks[line], after[line], most + spare_owners) as o where o.owner_id <> all (owners);
      exit when served = cardinality(owners);
    end if;
    served := served + 1;
    select array_agg(f.id), bool_or(f.concurrency_key is not null) into taken, taken_keyed from (
      select waits.id, waits.concurrency_key from (
        -- From its first job on: before it lie those that were taken since the index was last cleaned.
        select j.id, j.run_time from jobs j
        where j.status = 'CREATED' and not j.parked and j.priority = ranks[line] and j.owner_id = owners[served]
          and (j.run_time, j.id) >= (times[served], firsts[served]) and j.run_time <= now()
        order by j.run_time, j.id limit most + spare_jobs
      ) as seen join jobs waits on waits.id = seen.id
      where may_begin(waits)
      order by seen.run_time, seen.id limit least(share, most - cardinality(ids))
      for update of waits skip locked
    ) as f;
    ids := ids || taken;
    keyed := keyed or coalesce(taken_keyed, false);
    exit when cardinality(ids) = most;
  end loop;
  if keyed then
    return query select * from take_places(ids);
  else
    return query select u.id, u.turn, 1::smallint from unnest(ids) with ordinality as u(id, turn);
  end if;
end
$$;

-- Those of `asked`, in their order and up to `most`, that could begin now; none while the queue is paused.
create function these_in_line(asked uuid[], most int)
  returns table (id uuid, turn bigint, slot smallint) language plpgsql as $$
begin
  return query select * from take_places(array(
    select waits.id from unnest(asked) with ordinality as a(id, turn) join jobs waits on waits.id = a.id
    where may_begin(waits) and not (select paused from queue_state)
    order by a.turn limit most
    for update of waits skip locked
  ));
end
$$;
