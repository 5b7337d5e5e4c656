-- Gives one of a service's places to a sync, unless another sync took it meanwhile.
--
-- KEYS  1 the service's turns
-- ARGV  1 place   2 the sync that is expected to hold it, or ''   3 the sync that takes it   4 TTL (ms)
--
-- Answers 1 | 0 (another sync holds it)
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
