-- Holds a bot back in a chat, and everywhere if it was cooled in another chat
-- not long ago.
--
-- KEYS: the bot's cool-down in the chat, the bot's cool-down, the bot's recent
-- ones by chat. ARGV: the chat, the length, the window. Times are milliseconds.

local clock = redis.call('TIME')
local now = math.floor(clock[1] * 1000 + clock[2] / 1000)
local length, window = tonumber(ARGV[2]), tonumber(ARGV[3])

local function extend(key, length)
  if redis.call('PTTL', key) < length then
    redis.call('SET', key, 1, 'PX', length)
  end
end

extend(KEYS[1], length)
local till = now + redis.call('PTTL', KEYS[1])
local longest, others = till, 0
local recent = redis.call('HGETALL', KEYS[3])
for i = 1, #recent, 2 do
  local at, other = string.match(recent[i + 1], '^(%d+) (%d+)$')
  if now - at > window then
    redis.call('HDEL', KEYS[3], recent[i])
  elseif recent[i] ~= ARGV[1] then
    longest, others = math.max(longest, other), others + 1
  end
end
redis.call('HSET', KEYS[3], ARGV[1], string.format('%.0f %.0f', now, till))
redis.call('PEXPIRE', KEYS[3], window + 1)
if others > 0 then
  extend(KEYS[2], longest - now)
end
return redis.status_reply('OK')
