-- Stores a value in the place of its lease, if that is still there and the kind
-- is still of the same generation. An invalidation deletes the one or the other,
-- and a server that lost its memory has neither.
-- KEYS: place, generation. ARGV: lease, generation, value, milliseconds to live.
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('GET', KEYS[2]) ~= ARGV[2] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
return 1
