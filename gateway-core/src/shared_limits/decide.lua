-- Decides on one request by all its limits at once: it counts for all of them or for none.
--
-- KEYS: one for each limit. ARGV: five for each limit, then the asker's name:
--   'rate',  microseconds that one request counts, microseconds that the limit may be used ahead, 0, 0
--   'quota', requests, requests that the asker let through alone, requests known to it, end of the period in ms since 1970
-- Answers 1 or 0 for admitted or not, then two numbers for each limit:
--   of a rate, in how many microseconds it is whole again, and for how many it refuses the request;
--   of a quota, how many requests are used, and 1 if it refuses the request.
--
-- The store's clock counts, so the gateways' clocks need not agree. Times are since 2026, since a number has 53 bits.
local time = redis.call('TIME')
local now = (tonumber(time[1]) - 1767225600) * 1000000 + tonumber(time[2])
local asker = ARGV[#ARGV]
local admitted = 1
local states = {}
local waits = {}

for i = 1, #KEYS do
    local at = (i - 1) * 5
    if ARGV[at + 1] == 'rate' then
        local value = tonumber(redis.call('GET', KEYS[i]) or '0') or 0
        local interval = tonumber(ARGV[at + 2])
        local tolerance = tonumber(ARGV[at + 3])
        -- What is further ahead than possible comes from a clock that was set back, or from another limit.
        local whole = math.min(math.max(value, now), now + tolerance)
        states[i] = whole
        waits[i] = math.max(0, math.ceil(whole + interval - now - tolerance - 0.5))
    else
        local limit = tonumber(ARGV[at + 2])
        local alone = tonumber(ARGV[at + 3])
        local held = redis.call('HMGET', KEYS[i], 'used', asker)
        -- What the asker told of before is in it already.
        local value = tonumber(held[1] or '0') + math.max(0, alone - tonumber(held[2] or '0'))
        -- What the asker knows of was counted, even if the store has lost it.
        states[i] = math.max(value, tonumber(ARGV[at + 4]))
        waits[i] = 0
        if states[i] >= limit then
            waits[i] = 1
        end
    end
    if waits[i] > 0 then
        admitted = 0
    end
end

local answer = {admitted}
for i = 1, #KEYS do
    local at = (i - 1) * 5
    if ARGV[at + 1] == 'rate' then
        local whole = states[i] + tonumber(ARGV[at + 2]) * admitted
        if admitted == 1 then
            redis.call('SET', KEYS[i], string.format('%.3f', whole), 'PX', math.ceil((whole - now) / 1000) + 1)
        end
        answer[#answer + 1] = math.ceil(whole - now)
    else
        local used = states[i] + admitted
        redis.call('HSET', KEYS[i], 'used', string.format('%.0f', used))
        if tonumber(ARGV[at + 3]) > 0 then
            redis.call('HSET', KEYS[i], asker, ARGV[at + 3])
        end
        -- An hour longer than the period, for gateways whose clocks are behind.
        redis.call('PEXPIREAT', KEYS[i], string.format('%.0f', tonumber(ARGV[at + 5]) + 3600000))
        answer[#answer + 1] = used
    end
    answer[#answer + 1] = waits[i]
end
return answer
