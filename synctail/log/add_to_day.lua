-- Adds an ended sync to the totals of its day, once.
--
-- KEYS  1 the day's totals, 2 the set of syncs they include
-- ARGV  1 sync   2 TTL of the totals (ms)   3 TTL of the set (ms)   4.. field, amount
--
-- Answers 1 | 0 (the totals include it already)
if redis.call('SADD', KEYS[2], ARGV[1]) == 0 then
  return 0
end
for i = 4, #ARGV, 2 do
  redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1])
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 1
