-- Takes one token from each bucket of a call, or none.
--
-- KEYS: the bot's cool-down in the chat, the bot's cool-down, the bot's bucket,
-- then the bot's buckets in the chat.
-- ARGV: the longest wait, when the next token of the bot comes at the earliest
-- if its bucket is to be found empty (else -1), the longest queue, and for each bucket the time in which a token comes and how far
-- ahead one may be used.
-- Returns whether the tokens are taken, the wait, the two cool-downs, and the
-- server's time. Times are microseconds.
--
-- A bucket is the instant at which it is full again. A full one has no key.

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

local cooling = {}
for i = 1, 2 do
  cooling[i] = math.max(redis.call('PTTL', KEYS[i]), 0) * 1000
end
local held = math.max(cooling[1], cooling[2])
if held > 0 then
  return {0, held, cooling[1], cooling[2], now}
end

local most, from, queue = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local at, own, full = now, now, {}
for i = 3, #KEYS do
  local every, ahead = tonumber(ARGV[2 * i - 2]), tonumber(ARGV[2 * i - 1])
  local tat = tonumber(redis.call('GET', KEYS[i]) or now)
  if i == 3 and from >= 0 then
    tat = math.max(tat, now + from + ahead)
  end
  if tat > now + ahead + every + queue then
    -- No queue is that long: the server's clock was put back. The bucket starts
    -- anew, and empty.
    tat = now + ahead
  end
  full[i] = tat
  if i == 3 then
    at = math.max(now, tat - ahead)
  else
    own = math.max(own, tat - ahead)
  end
end

if own > at then
  return {0, own - now, 0, 0, now}
end
if at - now > most then
  return {0, at - now, 0, 0, now}
end
for i = 3, #KEYS do
  local tat = math.max(full[i], at) + tonumber(ARGV[2 * i - 2])
  -- Lua's own conversion to a string keeps 14 digits, and these have 16.
  redis.call('SET', KEYS[i], string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000))
end
return {1, at - now, 0, 0, now}
