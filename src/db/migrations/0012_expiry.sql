-- Objects that no row names any more and that are still in the store. Written with what makes them so, and removed after
-- them: a process that dies in between leaves none for ever.
create table doomed_objects (
  key text primary key,
  since timestamptz(3) not null default now()
);
create index doomed_objects_by_age on doomed_objects (since);

create index jobs_by_expiry on jobs (expires_at) where expires_at is not null;
create index documents_by_expiry on documents (expires_at) where expires_at is not null;
