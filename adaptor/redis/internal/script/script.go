// Package script holds the operations that need more than one command of the server. A
// script works on one key, and is one step to everybody else. All that may fail comes before all
// that changes something, and its errors are the server's own, with their code first. Numbers
// that may need all of int64 pass as text: Lua's are doubles.
package script

import (
	"crypto/sha1"
	"encoding/hex"
)

// A Script is its text, and the SHA-1 by which the server knows it.
type Script struct{ Text, SHA string }

func newScript(text string) *Script {
	sum := sha1.Sum([]byte(text))
	return &Script{text, hex.EncodeToString(sum[:])}
}

// addition adds to a counter that is there, exactly.
const addition = `
local sum = redis.pcall('INCRBY', KEYS[1], ARGV[1])
if type(sum) == 'table' then return sum end
if sum >= 9007199254740992 or sum <= -9007199254740992 then
  sum = redis.pcall('GET', KEYS[1])
  if type(sum) == 'table' then sum = false end
end`

// The scripts.
var (
	// Incr: by, ttl in ms or "" → the sum, as text if a double can't hold it, or nil if that
	// can't be had; PTTL.
	Incr = newScript(`
local left = redis.pcall('PTTL', KEYS[1])
if type(left) == 'table' then return left end
local failed
if left == -2 then
  if ARGV[2] == '' then
    failed, left = redis.pcall('SET', KEYS[1], ARGV[1]), -1
  else
    failed, left = redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]), tonumber(ARGV[2])
  end
  if failed.err then return failed end
  return {ARGV[1], left}
end
` + addition + `
return {sum, left}
`)

	// Count: by, ttl in ms → the sum, as Incr has it.
	Count = newScript(`
local there = redis.pcall('EXISTS', KEYS[1])
if type(there) == 'table' then return there end
if there == 0 then
  local done = redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  if done.err then return done end
  return ARGV[1]
end
` + addition + `
return sum
`)

	// Swap: old, new, an option of SET or "", its argument or "" → 1 or 0.
	CompareAndSwap = newScript(`
local value = redis.pcall('GET', KEYS[1])
if type(value) == 'table' then return value end
if value ~= ARGV[1] then return 0 end
local done
if ARGV[3] == '' then
  done = redis.pcall('SET', KEYS[1], ARGV[2])
elseif ARGV[4] == '' then
  done = redis.pcall('SET', KEYS[1], ARGV[2], ARGV[3])
else
  done = redis.pcall('SET', KEYS[1], ARGV[2], ARGV[3], ARGV[4])
end
if done.err then return done end
return 1
`)

	// Delete: old → 1 or 0.
	CompareAndDelete = newScript(`
local value = redis.pcall('GET', KEYS[1])
if type(value) == 'table' then return value end
if value ~= ARGV[1] then return 0 end
return redis.pcall('DEL', KEYS[1])
`)

	// Persist: → 1 or 0, whether there is a key.
	Persist = newScript(`
local done = redis.pcall('PERSIST', KEYS[1])
if done == 0 then return redis.pcall('EXISTS', KEYS[1]) end
return done
`)

	// All are those above.
	All = []*Script{Incr, Count, CompareAndSwap, CompareAndDelete, Persist}
)
