-- spend(limit) -> milliseconds until the next one is free, '0' when one was taken
--
-- A bucket of `per_window` tokens that fills evenly over the window, kept as one number: when it will be full
-- again (the generic cell rate algorithm). So a burst of `per_window` passes, then one every window/per_window.
--
-- KEYS  1 limit
-- ARGV  1 per_window   2 window_ms   3 now_ms

local window, now = tonumber(ARGV[2]), tonumber(ARGV[3])
local each = window / tonumber(ARGV[1])
local full = tonumber(redis.call('GET', KEYS[1]) or '0')
if full < now then full = now end
-- A hundredth of a millisecond of grace: the number is kept as text, to a thousandth.
local wait = full + each - now - window
if wait > 0.01 then return string.format('%.3f', wait) end
redis.call('SET', KEYS[1], string.format('%.3f', full + each), 'PX', math.ceil(full + each - now))
return '0'
