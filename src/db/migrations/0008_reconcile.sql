alter table queue_state
  -- Where the next comparison of the queue with the rows goes on, whichever process has the turn: a place along the
  -- line ("line") and one among the keys of which jobs stand aside ("keys"); without one at the beginning.
  add column reconcile_places jsonb not null default '{}';
