-- Stores pieces of one of a sync's payloads and, with the last piece, its description; or drops the pieces stored so far.
-- Fenced as `append.lua` is: what is stored after the ending would outlive the log.
--
-- KEYS  1 the summary hash, 2 the descriptions, 3 the pieces
-- ARGV  1 attempt   2 TTL (ms)   3 the payload's number   4 its description (JSON), or '' while more pieces follow
--       5 index of the first piece, from 0   6.. pieces; without pieces and description: drop all pieces before it
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
