-- Stores several services, all or none: each must exist, or not exist, as the caller has seen it.
--
-- KEYS  1 the services
-- ARGV  1.. id, '1' if it is to exist or '0' if not, definition
--
-- Answers false | the id of the first service that was created or removed meanwhile
for i = 1, #ARGV, 3 do
  if redis.call('HEXISTS', KEYS[1], ARGV[i]) ~= tonumber(ARGV[i + 1]) then
    return ARGV[i]
  end
end
for i = 1, #ARGV, 3 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2])
end
return false
