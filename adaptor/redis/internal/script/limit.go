package script

// Limit decides about a rate limit by the clock of the server. All numbers are whole microseconds, or parts of a
// microsecond in units of 1/(1000·d) for a rate of denominator d, and stay below 2^53: sums are exact in a double. The
// text of the state is the one of driver.Limits, with the time in ms that it counts from after an @. That is when the entry
// is gone: a server removes an entry when the clock has passed the millisecond of the deadline.
//
// Arguments: "take", "give" or "reset"; the number of rates; for each rate its id, d, and its capacity in µs and
// parts; then, for each step, for each rate the cost of the step in µs and parts. The first step of "take" is done or
// nothing, and each further one if there is room for it; without a step nothing is taken. "give" has one step.
//
// Result: how many steps were done, as a bit mask in decimal; for each rate the debt in µs and parts. Or the
// text "INVALID".
var Limit = newScript(`
local value = redis.pcall('GET', KEYS[1])
if type(value) == 'table' then return value end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local n = tonumber(ARGV[2])
if n == 1 and #ARGV == 8 and ARGV[1] == 'take' then -- most calls: the same as below, without tables
  local at, id, ns, rest
  if value then at, id, ns, rest = string.match(value, '^"rl@(%d+)%.(........)%+?(%d*)/?(%d*)"$') end
  if not value or id == ARGV[3] and #ns < 10 then
    local d, most, mostPart = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
    local scale, us, part = d * 1000, 0, 0
    if at then
      ns = tonumber(ns) or 0
      local u = math.floor(ns / 1000)
      us, part = at * 1000 - now - u, (ns - u * 1000) * d + (tonumber(rest) or 0)
      if part >= scale then return 'INVALID' end
      if part > 0 then us, part = us - 1, scale - part end
      if us < 0 then us, part = 0, 0 end
      if us > most or us == most and part > mostPart then us, part = most, mostPart end
    end
    local u, p = us + ARGV[7], part + ARGV[8]
    if p >= scale then u, p = u + 1, p - scale end
    if u > most or u == most and p > mostPart then return {0, us, part} end
    local ms, q = 0, 0
    if p > 0 then
      ms = math.ceil((now + u + 1) / 1000)
      us, q = ms * 1000 - now - u - 1, scale - p
    else
      ms = math.ceil((now + u) / 1000)
      us = ms * 1000 - now - u
    end
    local whole = math.floor(q / d)
    ns, q = us * 1000 + whole, q - whole * d
    local text = '"rl@' .. ms .. '.' .. ARGV[3]
    if ns > 0 then text = text .. '+' .. ns end
    if q > 0 then text = text .. '/' .. q end
    if (ms - 1) * 1000 > now + 100000 then ms = ms - 1 end
    local set = redis.pcall('SET', KEYS[1], text .. '"', 'PXAT', ms)
    if set.err then return set end
    return {1, u, p}
  end
end
local scale, us, part, index = {}, {}, {}, {}
for r = 1, n do
  scale[r], us[r], part[r], index[ARGV[4*r-1]] = ARGV[4*r] * 1000, 0, 0, r
end
local others = {}
if value then
  local at, items = string.match(value, '^"rl@(%d+)([%w_%-%.%+/]*)"$')
  local deadline
  if at then
    deadline = at * 1000
  else
    items = string.match(value, '^"rl([%w_%-%.%+/]*)~%d+"$') or string.match(value, '^"rl([%w_%-%.%+/]*)"$')
    local left = redis.call('PTTL', KEYS[1])
    if not items or left < 0 then return 'INVALID' end
    deadline = now + left * 1000 + 1000
  end
  local pos, length = 1, #items
  while pos <= length do
    local from, to, id, plus, ns, slash, rest = string.find(items, '^%.([%w_%-]+)(%+?)(%d*)(/?)(%d*)', pos)
    if not from or #id ~= 8 or #plus ~= math.min(#ns, 1) or #slash ~= math.min(#rest, 1) then return 'INVALID' end
    pos = to + 1
    local u = 0
    if #ns > 3 then u, ns = tonumber(string.sub(ns, 1, -4)), string.sub(ns, -3) end
    local r = index[id]
    if r then
      local p = (tonumber(ns) or 0) * scale[r] / 1000 + (tonumber(rest) or 0)
      if p >= scale[r] then return 'INVALID' end
      u = deadline - now - u
      if p > 0 then u, p = u - 1, scale[r] - p end
      if u >= 0 then us[r], part[r] = u, p end
    elseif deadline - u > now then
      others[#others+1] = {id, deadline - u, ns, rest}
    end
  end
end
local done = 0
if ARGV[1] == 'reset' then
  if value then redis.call('DEL', KEYS[1]) end
  return {0}
end
for r = 1, n do
  local u, p = tonumber(ARGV[4*r+1]), tonumber(ARGV[4*r+2])
  if us[r] > u or us[r] == u and part[r] > p then us[r], part[r] = u, p end
end
local base = 4*n + 2
if ARGV[1] == 'take' then
  local bit = 1
  while base < #ARGV do
    local u, p, fits = {}, {}, true
    for r = 1, n do
      u[r], p[r] = us[r] + ARGV[base+2*r-1], part[r] + ARGV[base+2*r]
      if p[r] >= scale[r] then u[r], p[r] = u[r] + 1, p[r] - scale[r] end
      local most = tonumber(ARGV[4*r+1])
      if u[r] > most or u[r] == most and p[r] > tonumber(ARGV[4*r+2]) then fits = false break end
    end
    if fits then us, part, done = u, p, done + bit elseif bit == 1 then break end
    bit, base = bit * 2, base + 2*n
  end
else
  for r = 1, n do
    local u, p = us[r] - ARGV[base+2*r-1], part[r] - ARGV[base+2*r]
    if p < 0 then u, p = u - 1, p + scale[r] end
    if u < 0 then u, p = 0, 0 end
    us[r], part[r] = u, p
  end
  if value then done = 1 end
end
if done > 0 then
  local last = 0
  for r = 1, n do
    local whole = us[r]
    if part[r] > 0 then whole = whole + 1 end
    if whole > last then last = whole end
  end
  for i = 1, #others do
    if others[i][2] - now > last then last = others[i][2] - now end
  end
  if last == 0 then
    redis.call('DEL', KEYS[1])
  else
    local ms = math.ceil((now + last) / 1000)
    local text = {string.format('"rl@%.0f', ms)}
    for r = 1, n do
      if us[r] > 0 or part[r] > 0 then
        local u, p = ms * 1000 - now - us[r], 0
        if part[r] > 0 then u, p = u - 1, scale[r] - part[r] end
        local d = scale[r] / 1000
        local ns = math.floor(p / d)
        p = p - ns * d
        local item = '.' .. ARGV[4*r-1]
        if u > 0 then
          item = string.format('%s+%.0f%03d', item, u, ns)
        elseif ns > 0 then
          item = item .. '+' .. ns
        end
        if p > 0 then item = string.format('%s/%.0f', item, p) end
        text[#text+1] = item
      end
    end
    for i = 1, #others do
      local o = others[i]
      local item = '.' .. o[1]
      local u = ms * 1000 - o[2]
      if u > 0 then
        item = string.format('%s+%.0f%03d', item, u, tonumber(o[3]) or 0)
      elseif o[3] ~= '' then
        item = item .. '+' .. o[3]
      end
      if o[4] ~= '' then item = item .. '/' .. o[4] end
      text[#text+1] = item
    end
    text[#text+1] = '"'
    if (ms - 1) * 1000 > now + 100000 then ms = ms - 1 end -- SET deletes what is over by the time it runs
    local set = redis.pcall('SET', KEYS[1], table.concat(text), 'PXAT', string.format('%.0f', ms))
    if set.err then return set end
  end
end
local result = {done}
for r = 1, n do result[2*r], result[2*r+1] = us[r], part[r] end
return result
`)
