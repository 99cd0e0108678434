-- Notes what Postgres says of the queue as a whole. ARGV: "paused" or "running"; "complete" when every job that waits
-- there has been offered here since the last loss, else "". Answers 1 when it is known to be complete, else 0.
if ARGV[1] == 'paused' then
  redis.call('HSET', state, 'paused', '1')
else
  redis.call('HDEL', state, 'paused')
end
if ARGV[2] == 'complete' then redis.call('HSET', state, 'complete', '1') end
return redis.call('HEXISTS', state, 'complete')
