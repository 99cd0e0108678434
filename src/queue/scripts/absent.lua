-- Answers those of ARGV that are neither in the line nor taken.
local answer = {}
for _, id in ipairs(ARGV) do
  local rank = rankAndOwner(id)
  local there = rank and (redis.call('ZSCORE', ready[rank + 1], id) or redis.call('ZSCORE', delayed[rank + 1], id)
    or redis.call('ZSCORE', taken, id))
  if not there then answer[#answer + 1] = id end
end
return answer
