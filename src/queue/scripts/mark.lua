-- Notes what Postgres says of the queue as a whole. ARGV: "paused" or "running"; the name that `begin` gave when every
-- job that waits there has been offered here since then, else "". That counts only if the name is still known: else
-- something of it may have been lost on the way. Answers 1 when every job is known to be here, else 0.
if ARGV[1] == 'paused' then
  redis.call('HSET', state, 'paused', '1')
else
  redis.call('HDEL', state, 'paused')
end
local names = ' ' .. (redis.call('HGET', state, 'walks') or '')
if ARGV[2] ~= '' and string.find(names, ' ' .. ARGV[2] .. ' ', 1, true) then
  redis.call('HSET', state, 'complete', '1')
end
return redis.call('HEXISTS', state, 'complete')
