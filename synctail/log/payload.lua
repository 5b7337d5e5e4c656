-- Keeps pieces of one payload of a sync and, with the last of them, its description; or drops what was kept of it.
-- Fenced as `append.lua` is, so that nothing is kept of a sync that has an ending: nobody would give it an end.
--
-- KEYS  1 the summary hash, 2 the descriptions, 3 the pieces
-- ARGV  1 attempt   2 ttl (ms)   3 the payload's number   4 its description (JSON), or '': there is more to come
--       5 number of the first piece, from 0   6.. pieces; neither these nor a description: drop all before that one
--
-- Answers 'ok' | 'fenced' (ended, or another attempt writes) | 'gone' (no such sync)
local known = redis.call('HMGET', KEYS[1], 'attempt', 'status')
if not known[2] then
  return 'gone'
end
if known[1] ~= ARGV[1] or not (known[2] == 'queued' or known[2] == 'running') then
  return 'fenced'
end

local number, description, first = ARGV[3], ARGV[4], tonumber(ARGV[5])
local function piece(index)
  return string.format('%s:%d', number, index)
end

if #ARGV == 5 and description == '' then
  for index = 0, first - 1 do
    redis.call('HDEL', KEYS[3], piece(index))
  end
  return 'ok'
end
for i = 6, #ARGV do
  redis.call('HSET', KEYS[3], piece(first + i - 6), ARGV[i])
end
if description ~= '' then
  redis.call('HSET', KEYS[2], number, description)
end
redis.call('PEXPIRE', KEYS[2], ARGV[2])
redis.call('PEXPIRE', KEYS[3], ARGV[2])
return 'ok'
