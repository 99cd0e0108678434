alter table documents
  drop constraint documents_source_check,
  add constraint documents_source_check check (source in ('TEXT', 'INLINE', 'UPLOAD', 'URI')),
  -- Where it is fetched from: for people, without what may be secret; and whole, encrypted.
  add column uri text not null default '',
  add column sealed_uri bytea;
