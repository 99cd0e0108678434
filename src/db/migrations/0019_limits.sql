-- Token buckets of the rate limits that all processes share: what an address or a user may still spend, below 0 a debt.
-- Lost in a crash of the database, and not missed: it is unlogged to cost nothing.
create unlogged table rate_buckets (
  key text primary key,
  tokens double precision not null,
  updated_at timestamptz(3) not null
) with (fillfactor = 70);
