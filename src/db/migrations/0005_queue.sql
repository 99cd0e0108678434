-- One line for each priority and owner: claims go round the owners, and take each one's oldest job.
create index jobs_in_line on jobs (priority, owner_id, run_time, id) where status = 'CREATED';
drop index jobs_waiting;

-- One row: whether workers may begin jobs.
create table queue_state (
  id int primary key default 1 check (id = 1),
  paused boolean not null default false,
  reason text not null default '',
  changed_by uuid,
  changed_at timestamptz(3) not null default now()
);
insert into queue_state default values;
