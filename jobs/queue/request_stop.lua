-- Writes a stop request, only to a sync that has not ended: a bare HSET could bring an expired key back, for ever.
--
-- KEYS  1 the summary hash
-- ARGV  1 who asked
--
-- Answers the sync's status | false (no such sync)
local status = redis.call('HGET', KEYS[1], 'status')
if status == 'queued' or status == 'running' then
  redis.call('HSET', KEYS[1], 'stop', ARGV[1])
end
return status
