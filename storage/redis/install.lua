-- install(fence) -> ok and the new fence | refusal and the fence in force
--
-- `sharding.fence.may_install`: an epoch that is strictly greater, and a shard that was given up, whose lease
-- is over or whose owner is proven dead.
--
-- KEYS  1 fence
-- ARGV  1 epoch   2 owner   3 lease_until_ms   4 '1' when a death is proven   5 the dead incarnation   6 now_ms

local f = redis.call('HMGET', KEYS[1], 'e', 'o', 'l', 's', 'q', 't')
local epoch, owner, lease = f[1] or '0', f[2] or '', f[3] or '0'
local sealed, sequence, high = f[4] or '1', f[5] or '0', f[6] or '0'

if tonumber(ARGV[1]) <= tonumber(epoch) then
  -- A bid that was sent again after its answer was lost finds itself here. Written down once more, so that
  -- the WAIT of this connection covers it; who asked decides whether it was this bid.
  if f[1] and epoch == ARGV[1] and owner == ARGV[2] then redis.call('HSET', KEYS[1], 'e', epoch) end
  return {'stale', epoch, owner, lease, sealed, sequence, high}
end
local dead = ARGV[4] == '1' and owner == ARGV[5]
if not (sealed == '1' or dead or tonumber(ARGV[6]) >= tonumber(lease)) then
  return {'lease_running', epoch, owner, lease, sealed, sequence, high}
end
redis.call('HSET', KEYS[1],
  'e', ARGV[1], 'o', ARGV[2], 'l', ARGV[3], 's', '0', 'q', sequence, 't', high)
return {'ok', ARGV[1], ARGV[2], ARGV[3], '0', sequence, high}
