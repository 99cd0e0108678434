alter table jobs
  -- The most resident memory that a document process had in the last attempt, as far as its worker has told.
  add column peak_memory_bytes bigint,
  -- What was seen of each lost claim since lost_claims was 0, oldest first.
  add column lost_evidence jsonb;

alter table workers
  -- Which process has the id: of two with the same id, the one that is named here.
  add column instance uuid,
  -- How far its clock is ahead of the database's.
  add column clock_offset_ms bigint;
