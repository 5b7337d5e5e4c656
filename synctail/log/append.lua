-- Adds a chunk of lines to a sync's log, in one atomic step: fence, number, XADD, HSET, PEXPIRE, PUBLISH.
--
-- KEYS  1 the summary hash, 2 the log stream   3.. other keys with the same lifetime
-- ARGV  1 attempt, or '*': take the sync over, fence its writer, and write one line after the last; the body
--         comes without its leading `{"n":0`, as the number is filled in here
--       2 first line   3 count (0: a heartbeat)   4 field of the body: json|zstd   5 body
--       6 TTL (ms)   7 '1': the lines before `first` are lost for good, accept the hole
--       8 channel   9 largest body to publish (bytes)   10.. field, value: changes of the summary
--
-- Answers {'ok', last, stop} | {'have', last, stop} (a resend: nothing was written) | {'gap', last} (send again from there)
--       | {'fenced', last, status, attempt} (ended, or another attempt writes) | {'gone'} (no such sync)
local known = redis.call('HMGET', KEYS[1], 'attempt', 'status', 'last', 'stop')
if not known[2] then
  return {'gone'}
end
local last = tonumber(known[3])
local running = known[2] == 'queued' or known[2] == 'running'
local takes_over = ARGV[1] == '*'
if not running or not (takes_over or known[1] == ARGV[1]) then
  return {'fenced', last, known[2], known[1]}
end

local first, count, body = tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[5]
if takes_over then
  first, body = last + 1, string.format('{"n":%d', last + 1) .. body
  redis.call('HINCRBY', KEYS[1], 'attempt', 1)
end
local stop = known[4] or ''
if count > 0 then
  if last >= first + count - 1 then
    return {'have', last, stop}
  end
  if first ~= last + 1 and ARGV[7] ~= '1' then
    return {'gap', last}
  end
  last = first + count - 1
  redis.call('XADD', KEYS[2], string.format('%d-%d', last, count), ARGV[4], body)
end

local now = redis.call('TIME')
local fields = {'last', string.format('%d', last), 'beat', string.format('%d', now[1] * 1000 + math.floor(now[2] / 1000))}
for i = 10, #ARGV do
  fields[#fields + 1] = ARGV[i]
end
redis.call('HSET', KEYS[1], unpack(fields))
-- On each append, so also on the one that ends the sync, whichever process writes it: all keys of a sync expire together.
for i = 1, #KEYS do
  redis.call('PEXPIRE', KEYS[i], ARGV[6])
end

if count > 0 and #body <= tonumber(ARGV[9]) then
  -- '+': the summary changed in more than the number of its last line.
  local changed = #ARGV > 9 and ' +' or ''
  redis.call('PUBLISH', ARGV[8], string.format('%d-%d %s%s\n', first, last, ARGV[4], changed) .. body)
elseif count > 0 or #ARGV > 9 then
  redis.call('PUBLISH', ARGV[8], string.format('%d-%d wake', first, last))
end
return {'ok', last, stop}
