-- Bytes of documents in the object store, each kind of them once: documents with the same bytes name the same object. A row
-- is locked by whoever begins to name its object, and goes before its object, when no document names that any more.
create table stored_objects (
  sha256 text primary key,
  key text not null unique
);
insert into stored_objects (sha256, key)
select distinct on (sha256) sha256, object_key from documents
where object_key is not null and sha256 is not null order by sha256, object_key;
