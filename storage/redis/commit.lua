-- commit(fence, answers, expiries, intents, outbox, sent, received, entity ...) -> ok | refusal and fence
--
-- The fenced group commit: whole or not at all. All checks come before the first write, and the first write
-- is one that Redis refuses when it is out of memory, so nothing is ever half done.
--
-- KEYS  1 fence   2 answers   3 expiries   4 intents   5 outbox   6 sent   7 received   8.. parts of entities
-- ARGV  1 epoch   2 owner     3 sequence   4 sequence + 1   5 timestamp_high   6 now_ms   7 sweep bite
--       then for each key from 8 on:  2s, part, value ... (s pairs)    d, part ... (d removed)
--       then   3n, op id, expires_ms, kept ...                         answers
--              2n, number, rows ...        2n, number, payload ...     intents, outbox
--              2n, peer, "epoch number" ...   the same again           sent, received
--              n, number ...               n, number ...               landed, relayed
--
-- Numbers stay text and are compared as doubles: exact below 2^53, which timestamps reach in the year 2255.

local f = redis.call('HMGET', KEYS[1], 'e', 'o', 'l', 's', 'q', 't')
local epoch, owner, lease = f[1] or '0', f[2] or '', f[3] or '0'
local sealed, sequence, high = f[4] or '1', f[5] or '0', f[6] or '0'

local function refused(why)
  return {why, epoch, owner, lease, sealed, sequence, high}
end

local mine = epoch == ARGV[1] and owner == ARGV[2]
if mine and sequence == ARGV[4] then
  -- The same commit again. It is written down once more so that the WAIT of this connection covers it too.
  redis.call('HSET', KEYS[1], 'q', sequence)
  return {'ok'}
end
if not mine then return refused('stale') end
if sealed == '1' then return refused('sealed') end
if tonumber(ARGV[6]) >= tonumber(lease) then return refused('lease_over') end
if sequence ~= ARGV[3] then return refused('out_of_sequence') end

local at = 8
local function section()
  local first = at + 1
  local last = at + tonumber(ARGV[at])
  at = last + 1
  return first, last
end

-- Redis' Lua spreads at most some 8,000 values; an even bite keeps pairs together.
local function spread(command, key, first, last)
  for i = first, last, 1000 do
    redis.call(command, key, unpack(ARGV, i, math.min(i + 999, last)))
  end
end

local entities = {}
for k = 8, #KEYS do
  local sets, sets_end = section()
  local dels, dels_end = section()
  entities[k] = {sets, sets_end, dels, dels_end}
end

local answers, answers_end = section()
for i = answers, answers_end, 3 do
  local expires = redis.call('ZSCORE', KEYS[3], ARGV[i])
  if expires and tonumber(expires) > tonumber(ARGV[6]) then return refused('stale') end
end

redis.call('HSET', KEYS[1], 'q', ARGV[4])
if tonumber(ARGV[5]) > tonumber(high) then redis.call('HSET', KEYS[1], 't', ARGV[5]) end

for k = 8, #KEYS do
  local e = entities[k]
  spread('HSET', KEYS[k], e[1], e[2])
  spread('HDEL', KEYS[k], e[3], e[4])
end

if answers <= answers_end then
  local old = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', ARGV[6], 'LIMIT', 0, ARGV[7])
  if #old > 0 then
    redis.call('HDEL', KEYS[2], unpack(old))
    redis.call('ZREM', KEYS[3], unpack(old))
  end
  for i = answers, answers_end, 3 do
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 2])
    redis.call('ZADD', KEYS[3], ARGV[i + 1], ARGV[i])
  end
end

spread('HSET', KEYS[4], section())
spread('HSET', KEYS[5], section())
spread('HSET', KEYS[6], section())
spread('HSET', KEYS[7], section())
spread('HDEL', KEYS[4], section())
spread('HDEL', KEYS[5], section())
return {'ok'}
