-- Names a sync's retry in its summary, while there is one.
--
-- KEYS  1 the summary hash
-- ARGV  1 the retry
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HSET', KEYS[1], 'retried_by', ARGV[1])
end
