// Package script contains the Lua scripts for operations that need more than one command.
//
// The server executes a script as one atomic step. Each script works on one key. In a script, the
// commands that may fail come before the first change. A script returns the server's own errors, which
// begin with their code. Numbers of the full int64 range are passed as text, because the numbers of Lua
// are doubles.
package script

import (
	"crypto/sha1"
	"encoding/hex"
)

// A Script holds the text of a script and the hexadecimal SHA-1 of the text. The commands EVAL and
// EVALSHA take one or the other. A Script must not be changed.
type Script struct{ Text, SHA string }

// newScript returns the Script with the given text.
func newScript(text string) *Script {
	sum := sha1.Sum([]byte(text))
	return &Script{text, hex.EncodeToString(sum[:])}
}

// addition adds ARGV[1] to an existing counter and sets sum. If a double cannot represent the sum, sum is
// text, or false if GET then fails.
const addition = `
local sum = redis.pcall('INCRBY', KEYS[1], ARGV[1])
if type(sum) == 'table' then return sum end
if sum >= 9007199254740992 or sum <= -9007199254740992 then
  sum = redis.pcall('GET', KEYS[1])
  if type(sum) == 'table' then sum = false end
end`

// Each script takes one key. The comments give the further arguments and the reply.
var (
	// Incr takes the summand and the ttl in milliseconds, or "" for no ttl. It returns the sum and the
	// PTTL of the key. The sum is text if a double cannot represent it, and nil if reading this text
	// fails.
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

	// Count takes the summand and the ttl in milliseconds. It returns the sum in the form that Incr
	// uses.
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

	// CompareAndSwap takes the old value, the new value, an option of SET or "", and the argument of
	// the option or "". It returns 1 if it has stored the new value, and otherwise 0.
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

	// CompareAndDelete takes the old value. It returns 1 if it has deleted the key, and otherwise 0.
	CompareAndDelete = newScript(`
local value = redis.pcall('GET', KEYS[1])
if type(value) == 'table' then return value end
if value ~= ARGV[1] then return 0 end
return redis.pcall('DEL', KEYS[1])
`)

	// Persist takes no arguments. It returns 1 if the key exists, and otherwise 0.
	Persist = newScript(`
local done = redis.pcall('PERSIST', KEYS[1])
if done == 0 then return redis.pcall('EXISTS', KEYS[1]) end
return done
`)

	// GetExpire takes the ttl in milliseconds and the prefix of a placeholder. It returns the value, or nil
	// if the key is missing, and sets the deadline unless the value is a placeholder.
	GetExpire = newScript(`
local value = redis.pcall('GET', KEYS[1])
if type(value) ~= 'string' or string.sub(value, 1, #ARGV[2]) == ARGV[2] then return value end
local done = redis.pcall('PEXPIRE', KEYS[1], ARGV[1])
if type(done) == 'table' then return done end
return value
`)

	// All lists the scripts above and Limit, which Start loads.
	All = []*Script{Incr, Count, CompareAndSwap, CompareAndDelete, Persist, GetExpire, Limit}
)
