-- Forgets the jobs ARGV, wherever they are.
for _, id in ipairs(ARGV) do remove(id) end
return redis.status_reply('OK')
