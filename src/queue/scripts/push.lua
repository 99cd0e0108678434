-- Puts jobs in the line. ARGV: "always", or "front" for those that go before all that waits, or "missing" to leave
-- those that are in the line or taken where they are, or "later" for those whose time has not come although the clock
-- here says so; then for each job: id, rank, owner, time in ms when it may begin (0 = at once). Answers how many were
-- put in.
local front, missing, later_only = ARGV[1] == 'front', ARGV[1] == 'missing', ARGV[1] == 'later'
local time = now()
local put = 0
for at = 2, #ARGV, 4 do
  local id, rank, owner, due = ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2], tonumber(ARGV[at + 3])
  if later_only then due = math.max(due, time + 500) end
  local known = redis.call('HGET', entries, id)
  local same = known == rank .. ' ' .. owner
  local later = same and redis.call('ZSCORE', delayed[rank + 1], id)
  local stays
  if not same then
    stays = false
  elseif later then
    -- It waits for its time: at most the time has changed.
    stays = due > time
    if stays then redis.call('ZADD', delayed[rank + 1], whole(due), id) end
  elseif redis.call('ZSCORE', ready[rank + 1], id) then
    stays = due <= time and not front
  else
    -- Taken: whoever says that it waits knows more than its taker. Or nowhere, by whatever accident.
    stays = missing and redis.call('ZSCORE', taken, id)
  end
  if not stays then
    if known then remove(id) end
    redis.call('HSET', entries, id, rank .. ' ' .. owner)
    if due > time then
      redis.call('ZADD', delayed[rank + 1], whole(due), id)
    elseif front then
      toFront(id, rank)
    else
      toLine(id, rank, owner)
    end
    put = put + 1
  end
end
return put
