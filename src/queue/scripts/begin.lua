-- Notes that somebody begins to offer every job that waits in Postgres. Answers a name for that, which is forgotten with
-- everything else when Redis loses what it holds.
local name = whole(now()) .. '-' .. redis.call('HINCRBY', state, 'begun', 1)
-- Some two hundred are kept, the newest first: each process has one at a time, those that died leave theirs behind.
local names = name .. ' ' .. (redis.call('HGET', state, 'walks') or '')
redis.call('HSET', state, 'walks', string.sub(names, 1, 4000))
return name
