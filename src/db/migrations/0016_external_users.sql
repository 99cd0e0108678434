-- Users of external issuers. Such a user is known by issuer and subject alone and has no e-mail address here, so none that
-- an issuer claims can ever meet that of a user of our own; nor a password.
alter table users
  add column issuer text,
  add column subject text,
  alter column email drop not null,
  add constraint users_identity check (
    (issuer is null and subject is null and email is not null)
    or (issuer is not null and subject is not null and email is null
      and password_hash is null and not is_service_account)),
  add constraint users_by_subject unique (issuer, subject);

alter table signing_keys
  -- Refused at once, unlike a key that was retired in its turn.
  add column compromised boolean not null default false,
  add column activated_at timestamptz(3);
update signing_keys set activated_at = created_at where state <> 'next';
