-- Takes up to ARGV[1] jobs, each for ARGV[2] ms. Answers "incomplete" or "complete" (whether every waiting job of
-- Postgres is known to be here), then the ids. Of 16 jobs one is looked for among rank 2 first and one among rank 1.
local wanted, hold = tonumber(ARGV[1]), tonumber(ARGV[2])
local complete = redis.call('HGET', state, 'complete') and 'complete' or 'incomplete'
-- Of a line that lacks jobs nobody knows who is next: its ids stay where they are until it is whole again.
if complete == 'incomplete' or redis.call('HGET', state, 'paused') then return {complete} end
local time = now()

local function back(id)
  local rank, owner = rankAndOwner(id)
  if rank then toLine(id, rank, owner) end
end

for rank = 0, 2 do
  for _, id in ipairs(redis.call('ZRANGE', delayed[rank + 1], '-inf', time, 'BYSCORE', 'LIMIT', 0, 1000)) do
    redis.call('ZREM', delayed[rank + 1], id)
    back(id)
  end
end
-- Whoever took them has neither begun them nor given them back in time.
for _, id in ipairs(redis.call('ZRANGE', taken, '-inf', time, 'BYSCORE', 'LIMIT', 0, 1000)) do
  redis.call('ZREM', taken, id)
  local rank = rankAndOwner(id)
  if rank then toFront(id, rank) end
end

local answer = {complete}
local round = tonumber(redis.call('HGET', state, 'round') or '0')
local clocks = {}

local function pop(rank)
  local found = redis.call('ZPOPMIN', ready[rank + 1])
  local id, turn = found[1], found[2]
  if not id then return false end
  clocks[rank] = tonumber(turn)
  local _, owner = rankAndOwner(id)
  -- Its last job in the line: the turn that its next one gets follows from the clock.
  if owner and redis.call('HGET', turns[rank + 1], owner) == turn then
    redis.call('HDEL', turns[rank + 1], owner)
  end
  redis.call('ZADD', taken, whole(time + hold), id)
  answer[#answer + 1] = id
  return true
end

local HIGH_FIRST, NORMAL_FIRST, LOW_FIRST = {0, 1, 2}, {1, 0, 2}, {2, 0, 1}
for _ = 1, wanted do
  local order = round == 15 and LOW_FIRST or round == 7 and NORMAL_FIRST or HIGH_FIRST
  if not (pop(order[1]) or pop(order[2]) or pop(order[3])) then break end
  round = (round + 1) % 16
end
if #answer > 1 then
  redis.call('HSET', state, 'round', round)
  for rank, clock in pairs(clocks) do
    redis.call('HSET', state, 'clock:' .. rank, whole(math.max(clock, clockOf(rank))))
  end
end
return answer
