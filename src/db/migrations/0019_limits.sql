-- Token buckets of the rate limits that all processes share: what an address or a user may still spend, below 0 a debt.
-- Lost in a crash of the database, and not missed: it is unlogged to cost nothing.
create unlogged table rate_buckets (
  key text primary key,
  tokens double precision not null,
  updated_at timestamptz(3) not null
) with (fillfactor = 70);

-- Bytes of an owner's documents and results. Every change adds a row, so that no two of them wait for each other; now and
-- then the rows of an owner are added up. Documents with the same bytes count once for each document.
create table stored_bytes (
  owner_id uuid not null,
  bytes bigint not null
);
create index stored_bytes_by_owner on stored_bytes (owner_id) include (bytes);

-- The argument is 1 or -1.
create function count_documents() returns trigger language plpgsql as $$
begin
  insert into stored_bytes
  select owner_id, tg_argv[0]::int * sum(size_bytes) from changed where size_bytes > 0 group by owner_id;
  return null;
end
$$;
create trigger documents_added after insert on documents referencing new table as changed
  for each statement execute function count_documents('1');
create trigger documents_removed after delete on documents referencing old table as changed
  for each statement execute function count_documents('-1');

-- The bytes of an upload or of a document that was fetched have arrived.
create function count_changed_document() returns trigger language plpgsql as $$
begin
  insert into stored_bytes values (new.owner_id, new.size_bytes - old.size_bytes);
  return null;
end
$$;
create trigger document_changed after update of size_bytes on documents
  for each row when (new.size_bytes <> old.size_bytes) execute function count_changed_document();

create function count_new_results() returns trigger language plpgsql as $$
begin
  insert into stored_bytes
  select j.owner_id, sum(a.size_bytes) from added a join jobs j on j.id = a.job_id where a.size_bytes > 0 group by j.owner_id;
  return null;
end
$$;
create trigger results_added after insert on job_result_contents referencing new table as added
  for each statement execute function count_new_results();

-- Before the job, since its result goes with it and nobody would know any more whose it was.
create function count_deleted_result() returns trigger language plpgsql as $$
begin
  insert into stored_bytes
  select old.owner_id, -sum(size_bytes) from job_result_contents where job_id = old.id having sum(size_bytes) > 0;
  return old;
end
$$;
create trigger job_removed before delete on jobs
  for each row when (old.status = 'COMPLETED') execute function count_deleted_result();

insert into stored_bytes
select owner_id, sum(bytes) from (
  select owner_id, size_bytes as bytes from documents
  union all
  select j.owner_id, c.size_bytes from job_result_contents c join jobs j on j.id = c.job_id
) as all_bytes group by owner_id having sum(bytes) > 0;
