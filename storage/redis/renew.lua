-- renew(fence) -> ok | no
--
-- Prolongs the lease of a shard that the owner still has and has not sealed; a lease never gets shorter.
--
-- KEYS  1 fence
-- ARGV  1 owner   2 lease_until_ms

local f = redis.call('HMGET', KEYS[1], 'o', 's', 'l')
if f[1] ~= ARGV[1] or f[2] ~= '0' then return {'no'} end
-- Written in any case, so that the WAIT of this connection covers a renewal that was sent again.
local lease = tonumber(ARGV[2]) > tonumber(f[3]) and ARGV[2] or f[3]
redis.call('HSET', KEYS[1], 'l', lease)
return {'ok'}
