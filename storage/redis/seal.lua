-- seal(fence) -> ok | stale and the fence in force
--
-- Gives a shard up: no commit of this epoch is accepted afterwards. Repeating it changes nothing.
--
-- KEYS  1 fence
-- ARGV  1 epoch   2 owner

local f = redis.call('HMGET', KEYS[1], 'e', 'o', 'l', 's', 'q', 't')
local epoch, owner = f[1] or '0', f[2] or ''
if epoch ~= ARGV[1] or owner ~= ARGV[2] then
  return {'stale', epoch, owner, f[3] or '0', f[4] or '1', f[5] or '0', f[6] or '0'}
end
-- A fence that nobody ever owned is sealed as it is, and stays a missing one.
if f[1] then redis.call('HSET', KEYS[1], 's', '1') end
return {'ok'}
