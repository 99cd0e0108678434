-- A repeated create finds what the first one made; the hash tells whether it asked for the same.
alter table roles add column request_id text, add column request_hash text;
create unique index roles_by_request on roles (created_by, request_id) where request_id is not null;
create index roles_by_age on roles (created_at, name);

-- Who made the key, whose request ids these are: keys of service accounts are made by others.
alter table api_keys add column created_by uuid;
update api_keys set created_by = owner_id;
drop index api_keys_by_request;
create unique index api_keys_by_request on api_keys (created_by, request_id) where request_id is not null;

-- The key that the key was made with: it is revoked with that one.
alter table api_keys add column maker_key_id text references api_keys (id) on delete cascade;
create index api_keys_by_maker on api_keys (maker_key_id) where maker_key_id is not null;

-- Who has a role.
create index users_by_role on users using gin (roles);
