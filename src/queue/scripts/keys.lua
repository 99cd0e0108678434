-- The keys, in the order in which every script gets them; all under one hash tag.
local ready = {KEYS[1], KEYS[2], KEYS[3]}       -- a sorted set each rank: id by its turn
local delayed = {KEYS[4], KEYS[5], KEYS[6]}     -- a sorted set each rank: id by the time in ms when it may begin
local taken = KEYS[7]                           -- sorted set: id by the time in ms until which its taker may keep it
local entries = KEYS[8]                         -- hash: id to "rank owner"
local turns = {KEYS[9], KEYS[10], KEYS[11]}     -- a hash each rank: owner to the turn of its last job in the line
local state = KEYS[12]                          -- hash: clock:<rank>, round, paused, begun, walks, complete

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function whole(number)
  return string.format('%.0f', number)
end

local function clockOf(rank)
  return tonumber(redis.call('HGET', state, 'clock:' .. rank) or '0')
end

-- Start-time fair queuing: an owner's jobs are one turn apart, and the first of an owner who has none in the line
-- comes one turn after the job that was taken last. So owners alternate, however many jobs each has.
local function toLine(id, rank, owner)
  local last = tonumber(redis.call('HGET', turns[rank + 1], owner) or '0')
  local turn = whole(math.max(clockOf(rank), last) + 1)
  redis.call('HSET', turns[rank + 1], owner, turn)
  redis.call('ZADD', ready[rank + 1], turn, id)
end

-- Before all that waits for its turn, which is never before the clock: it had its own. Several of them go by their
-- ids, the older first.
local function toFront(id, rank)
  redis.call('ZADD', ready[rank + 1], whole(clockOf(rank) - 1), id)
end

local function rankAndOwner(id)
  local entry = redis.call('HGET', entries, id)
  if not entry then return nil end
  return tonumber(string.sub(entry, 1, 1)), string.sub(entry, 3)
end

local function remove(id)
  local rank, owner = rankAndOwner(id)
  if rank then
    local turn = redis.call('ZSCORE', ready[rank + 1], id)
    -- The last job of its owner gives its turn back, so that the next one need not come after it.
    if turn and redis.call('HGET', turns[rank + 1], owner) == turn then
      redis.call('HDEL', turns[rank + 1], owner)
    end
    redis.call('ZREM', ready[rank + 1], id)
    redis.call('ZREM', delayed[rank + 1], id)
  end
  redis.call('ZREM', taken, id)
  redis.call('HDEL', entries, id)
end
