-- The second wall between owners: what a statement may see and change is said by the connection or transaction that it
-- comes over (`enter_scope`), and not by its own conditions, which one may forget. A statement over one that says nothing
-- sees no row.

-- "*" for everybody's: the service's own work, where policies hold for that too.
create function sees_everybody() returns boolean language sql stable as $$
  select coalesce(current_setting('sluice.scope', true), '') = '*'
$$;

-- Whose rows may be seen: their ids, with commas between them.
create function seen_owners() returns uuid[] language sql stable as $$
  select string_to_array(nullif(nullif(current_setting('sluice.scope', true), ''), '*'), ',')::uuid[]
$$;

-- The role that the login's connections take for what they do in the name of callers. Policies do not hold for superusers,
-- nor for the owner of a table unless it says so; they hold for this one.
create function scoped_role() returns text language sql stable as $$
  select left(session_user, 56) || '_scoped'
$$;

-- From here on, to the end of the session or of the transaction, only rows of these owners. Fails when nothing would keep
-- other rows away.
create function enter_scope(owners text, in_transaction boolean) returns void language plpgsql as $$
begin
  if current_setting('role') = 'none' and to_regrole(quote_ident(scoped_role())) is not null
    and pg_has_role(session_user, scoped_role(), 'member') then
    perform set_config('role', scoped_role(), in_transaction);
  end if;
  if not row_security_active('jobs') then
    raise exception 'row-level security does not hold for the role %', current_user
      using errcode = 'insufficient_privilege', hint = 'Run `sluice migrate`; it says what is missing.';
  end if;
  perform set_config('sluice.scope', owners, in_transaction);
end
$$;

-- Back to everybody's rows, to the end of the transaction or the next `enter_scope`.
create function leave_scope() returns void language sql as $$
  select set_config('role', 'none', true), set_config('sluice.scope', '*', true)
$$;

-- The subquery is computed once a statement, and not for each row.
alter table users enable row level security;
create policy owners on users
  using (id = any ((select seen_owners())::uuid[]));
alter table api_keys enable row level security;
create policy owners on api_keys
  using (owner_id = any ((select seen_owners())::uuid[]));
alter table sessions enable row level security;
create policy owners on sessions
  using (user_id = any ((select seen_owners())::uuid[]));
alter table documents enable row level security;
create policy owners on documents
  using (owner_id = any ((select seen_owners())::uuid[]));
alter table jobs enable row level security;
create policy owners on jobs
  using (owner_id = any ((select seen_owners())::uuid[]));
alter table stored_bytes enable row level security;
create policy owners on stored_bytes
  using (owner_id = any ((select seen_owners())::uuid[]));
alter table job_events enable row level security;
create policy owners on job_events
  using (owner_id = any ((select seen_owners())::uuid[]));

-- What hangs on a row is seen by whoever sees that row.
alter table refresh_tokens enable row level security;
create policy owners on refresh_tokens
  using ((select true from sessions where sessions.id = session_id));
alter table job_stages enable row level security;
create policy owners on job_stages
  using ((select true from jobs where jobs.id = job_id));
alter table job_results enable row level security;
create policy owners on job_results
  using ((select true from jobs where jobs.id = job_id));
alter table job_result_contents enable row level security;
create policy owners on job_result_contents
  using ((select true from jobs where jobs.id = job_id));

-- The record takes every row, and shows callers what they did themselves.
alter table audit_logs enable row level security;
create policy own on audit_logs for select using (user_id = any ((select seen_owners())::uuid[]));
create policy written on audit_logs for insert with check (true);
