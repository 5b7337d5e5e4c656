-- Replaces a service, unless it was removed meanwhile: that must not bring it back.
--
-- KEYS  1 the services
-- ARGV  1 id   2 definition
--
-- Answers 1 | 0 (there is no such service)
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
