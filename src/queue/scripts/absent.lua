-- Answers those of ARGV that are neither in the line nor taken.
local answer = {}
for _, id in ipairs(ARGV) do
  if redis.call('HEXISTS', entries, id) == 0 then answer[#answer + 1] = id end
end
return answer
