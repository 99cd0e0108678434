-- Answers for each rank: jobs that could begin, jobs whose time has not come.
local time = now()
local answer = {}
for rank = 0, 2 do
  local due = redis.call('ZCOUNT', delayed[rank + 1], '-inf', time)
  answer[#answer + 1] = redis.call('ZCARD', ready[rank + 1]) + due
  answer[#answer + 1] = redis.call('ZCARD', delayed[rank + 1]) - due
end
return answer
