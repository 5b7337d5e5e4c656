-- Keeps a batch of failed records for a retry. The caller states how many it kept before: a write whose reply was lost
-- is sent again, and must not double the batch.
--
-- KEYS  1 the summary hash, 2 the failed records
-- ARGV  1 records kept before   2 records kept with this batch   3 batch   4 TTL (ms)
if redis.call('EXISTS', KEYS[1]) == 1 and (redis.call('HGET', KEYS[1], 'kept') or '0') == ARGV[1] then
  redis.call('RPUSH', KEYS[2], ARGV[3])
  redis.call('HSET', KEYS[1], 'kept', ARGV[2])
end
redis.call('PEXPIRE', KEYS[2], ARGV[4])
