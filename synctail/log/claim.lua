-- Makes the caller a sync's only writer: every earlier attempt is fenced from now on.
--
-- KEYS  1 the summary hash
-- Answers {'ok', attempt, last, stop} | {'ended', status} | {'gone'}
local known = redis.call('HMGET', KEYS[1], 'status', 'last', 'stop')
if not known[1] then
  return {'gone'}
end
if known[1] ~= 'queued' and known[1] ~= 'running' then
  return {'ended', known[1]}
end
local attempt = redis.call('HINCRBY', KEYS[1], 'attempt', 1)
local now = redis.call('TIME')
redis.call('HSET', KEYS[1], 'beat', string.format('%d', now[1] * 1000 + math.floor(now[2] / 1000)))
return {'ok', attempt, tonumber(known[2]), known[3] or ''}
