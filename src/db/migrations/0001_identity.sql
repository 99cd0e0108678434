create table users (
  id uuid primary key,
  -- Stored in lower case, so that it is unique without regard to case.
  email text not null,
  display_name text not null default '',
  -- argon2id in PHC form; null for service accounts, which have only API keys.
  password_hash text,
  roles text[] not null default '{}',
  is_active boolean not null default true,
  is_service_account boolean not null default false,
  must_change_password boolean not null default false,
  -- Access tokens of an older version are refused.
  token_version int not null default 1,
  version int not null default 1,
  request_id text,
  request_hash text,
  created_by uuid,
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  last_login_at timestamptz(3),
  check (password_hash is null or not is_service_account)
);
create unique index users_by_email on users (lower(email));
create unique index users_by_request on users (created_by, request_id) where request_id is not null;
create index users_by_age on users (created_at, id);

-- Custom roles. The built-in ones are part of the program, so that they never lag behind its permissions.
create table roles (
  name text primary key check (name not in ('viewer', 'developer', 'operator', 'auditor', 'admin')),
  description text not null default '',
  permissions text[] not null,
  version int not null default 1,
  created_by uuid,
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now()
);

create table api_keys (
  -- The public part of the key: slk_<id>_<secret><checksum>.
  id text primary key,
  -- SHA-256 of the secret part.
  hash bytea not null,
  name text not null,
  owner_id uuid not null references users (id) on delete cascade,
  permissions text[] not null,
  request_id text,
  request_hash text,
  created_at timestamptz(3) not null default now(),
  expires_at timestamptz(3) not null,
  last_used_at timestamptz(3),
  revoked_at timestamptz(3)
);
create index api_keys_by_owner on api_keys (owner_id, created_at, id);
create index api_keys_by_age on api_keys (created_at, id);
create unique index api_keys_by_request on api_keys (owner_id, request_id) where request_id is not null;

-- A login; also the family of its refresh tokens.
create table sessions (
  id uuid primary key,
  user_id uuid not null references users (id) on delete cascade,
  ip_address text not null default '',
  user_agent text not null default '',
  created_at timestamptz(3) not null default now(),
  -- No refresh reaches beyond this.
  expires_at timestamptz(3) not null,
  ended_at timestamptz(3),
  end_reason text check (end_reason in ('LOGOUT', 'REFRESH_REUSED', 'PASSWORD_CHANGED', 'USER_DISABLED'))
);
create index sessions_alive_by_user on sessions (user_id) where ended_at is null;
create index sessions_by_end on sessions (expires_at);

create table refresh_tokens (
  -- SHA-256 of the token.
  hash bytea primary key,
  session_id uuid not null references sessions (id) on delete cascade,
  sequence int not null,
  created_at timestamptz(3) not null default now(),
  -- Ends when it is not used until then.
  expires_at timestamptz(3) not null,
  used_at timestamptz(3),
  unique (session_id, sequence)
);

create table signing_keys (
  -- RFC 7638 thumbprint of the public key.
  kid text primary key,
  public_jwk jsonb not null,
  -- PKCS #8, encrypted with the master key.
  private_key bytea not null,
  state text not null check (state in ('next', 'active', 'retired')),
  created_at timestamptz(3) not null default now(),
  retired_at timestamptz(3)
);
create unique index signing_keys_one_active on signing_keys (state) where state = 'active';

create table login_throttle (
  -- account:<hash of the e-mail address> or address:<network>.
  subject text primary key,
  failures double precision not null,
  updated_at timestamptz(3) not null default now(),
  blocked_until timestamptz(3) not null default now()
);
create index login_throttle_by_age on login_throttle (updated_at);
