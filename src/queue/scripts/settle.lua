-- Ends what a take has begun. ARGV: how many ids are begun or wait no more, these ids, then ids that go back to the
-- front of the line. What is no longer taken is left as it is: somebody has put it in the line again.
local done = tonumber(ARGV[1])
for at = 2, #ARGV do
  local id = ARGV[at]
  if redis.call('ZREM', taken, id) == 1 then
    local rank = rankAndOwner(id)
    if at <= done + 1 then
      redis.call('HDEL', entries, id)
    elseif rank then
      toFront(id, rank)
    end
  end
end
return redis.status_reply('OK')
