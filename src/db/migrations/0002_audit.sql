create table audit_logs (
  id uuid primary key,
  timestamp timestamptz(3) not null default clock_timestamp(),
  -- Null: nobody was known (a failed login), or the service itself acted.
  user_id uuid,
  action text not null,
  resource_type text not null default '',
  resource_id text not null default '',
  request_details jsonb not null default '{}',
  success boolean not null default true,
  error_message text not null default '',
  ip_address inet,
  user_agent text not null default '',
  request_id text not null default '',
  duration_ms double precision,
  -- Session or API key that was used; never its secret.
  credential_id text not null default ''
);
create index audit_logs_by_time on audit_logs (timestamp, id);
create index audit_logs_by_user on audit_logs (user_id, timestamp, id);
create index audit_logs_by_resource on audit_logs (resource_type, resource_id, timestamp, id);
create index audit_logs_by_action on audit_logs (action, timestamp, id);

-- The record is append-only. Retention says so in its own transaction before it removes what is too old.
create function audit_logs_refuse_change() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' and current_setting('sluice.audit_retention', true) = 'on' then
    return null;
  end if;
  raise exception 'audit_logs is append-only' using errcode = 'insufficient_privilege';
end $$;
create trigger audit_logs_append_only before update or delete or truncate on audit_logs
  for each statement execute function audit_logs_refuse_change();
