package adaptortest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/driver"
)

// toy is a backend that consists of a mutex and a map. One bug can be planted by its name.
type toy struct {
	bug     string
	planted map[string]bool // every bug in the code, to find a misspelled name
	noting  sync.Mutex      // guards planted
	mu      sync.Mutex
	entries map[string]*toyEntry
	buffer  []byte
	ghosts  map[string]time.Time
}

type toyEntry struct {
	value    []byte
	deadline time.Time // zero: never expires
}

func newToy(bug string) *toy {
	return &toy{bug: bug, planted: map[string]bool{}, entries: map[string]*toyEntry{}, ghosts: map[string]time.Time{}}
}

func toyHarness(newToy func() *toy) Harness[adaptor.AtomicKVAdaptor] {
	return Harness[adaptor.AtomicKVAdaptor]{New: func(testing.TB) adaptor.AtomicKVAdaptor { return adaptor.NewAtomic(newToy()) }}
}

// has reports whether the bug is planted.
func (t *toy) has(bug string) bool {
	t.noting.Lock()
	t.planted[bug] = true
	t.noting.Unlock()
	return t.bug == bug
}

func (t *toy) OpenAtomic(path []string) (driver.AtomicStore, error) {
	return toyStore{t, path}, nil
}

type toyStore struct {
	*toy
	path []string
}

// at returns the key in the map.
func (s toyStore) at(key string) string {
	switch {
	case s.has("keys are kept without a copy"):
		return key
	case s.has("namespaces are concatenated"):
		return strings.Join(s.path, "") + key
	case s.has("path and key are joined by an unescaped separator"):
		return strings.Join(s.path, ":") + ":" + key
	case s.has("sibling prefixes meet"):
		return s.path[0] + "\x00" + strings.Join(s.path[1:], "") + key
	case s.has("keys are cut at NUL"):
		key, _, _ = strings.Cut(key, "\x00")
	case s.has("bad UTF-8 in keys is replaced"):
		key = strings.ToValidUTF8(key, "\ufffd")
	case s.has("keys ignore case"):
		key = strings.ToLower(key)
	case s.has("the empty key is another"):
		if key == "" {
			key = "a"
		}
	}
	return driver.Key(s.path, key)
}

// live returns the entry at key, or nil.
func (s toyStore) live(key string) *toyEntry {
	e := s.entries[s.at(key)]
	if e == nil || s.expired(e) {
		return nil
	}
	return e
}

func (s toyStore) expired(e *toyEntry) bool {
	if e.deadline.IsZero() {
		return false
	}
	left := time.Until(e.deadline)
	switch {
	case s.has("an entry lives 1 ns too long"):
		return left < 0
	case s.has("an entry dies 1 ns too early"):
		return left <= 1
	}
	return left <= 0
}

// liveFor returns the live entry. With a planted bug, the method ignores the deadline.
func (s toyStore) liveFor(method, key string) *toyEntry {
	if s.has(method + " takes an expired entry for a live one") {
		return s.entries[s.at(key)]
	}
	return s.live(key)
}

func (s toyStore) deadline(ttl time.Duration) time.Time {
	switch {
	case s.has("a millisecond is rounded to none") && ttl <= time.Millisecond,
		s.has("a TTL below a second is none") && ttl < time.Second:
		return time.Time{}
	case s.has("a huge TTL wraps"):
		return time.Unix(0, time.Now().UnixNano()+int64(ttl))
	case s.has("a TTL is cut to whole seconds") && ttl > time.Second:
		ttl = ttl.Truncate(time.Second)
	case s.has("a huge TTL is none") && ttl > math.MaxInt64/4:
		return time.Time{}
	}
	return time.Now().Add(ttl)
}

func (s toyStore) put(key string, e *toyEntry, value []byte, ttl time.Duration) {
	if e == nil {
		e = &toyEntry{}
	}
	e.value = value
	if ghost, found := s.ghosts[s.at(key)]; found {
		e.deadline = ghost
		s.entries[strings.Clone(s.at(key))] = e
		return
	}
	switch ttl {
	case driver.KeepTTL:
		if s.has("KeepTTL drops the TTL") {
			e.deadline = time.Time{}
		}
	case driver.NoTTL:
		if !s.has("a Set without a TTL keeps the old one") {
			e.deadline = time.Time{}
		}
	default:
		e.deadline = s.deadline(ttl)
	}
	at := s.at(key)
	if !s.has("keys are kept without a copy") {
		at = strings.Clone(at)
	}
	s.entries[at] = e
}

func (s toyStore) Get(_ context.Context, key string) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.liveFor("Get", key)
	switch {
	case e == nil && s.has("a miss is an error"):
		return nil, false, errors.New("not found")
	case e == nil && s.has("a miss is null"):
		return []byte("null"), true, nil
	case e == nil:
		return nil, false, nil
	case s.has("Get trims white space"):
		return bytes.TrimSpace(e.value), true, nil
	case s.has("null is read as a miss") && string(e.value) == "null":
		return nil, false, nil
	case s.has("Get returns the store's own bytes"):
		return e.value, true, nil
	case s.has("Get reuses its buffer"):
		s.buffer = append(s.buffer[:0], e.value...)
		return s.buffer, true, nil
	case s.has("a stale tail from a reused buffer"):
		if missing := len(e.value) - len(s.buffer); missing > 0 {
			s.buffer = append(s.buffer, make([]byte, missing)...)
		}
		copy(s.buffer, e.value)
		return bytes.Clone(s.buffer), true, nil
	case s.has("text is replaced where it is not ASCII"):
		return bytes.ToValidUTF8(bytes.ReplaceAll(e.value, []byte("\ufffd"), []byte("?")), nil), true, nil
	case s.has("numbers pass through a float"):
		if f, err := strconv.ParseFloat(string(e.value), 64); err == nil {
			return strconv.AppendFloat(nil, f, 'f', -1, 64), true, nil
		}
	}
	return bytes.Clone(e.value), true, nil
}

func (s toyStore) Set(_ context.Context, key string, value []byte, ttl time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.has("values of a MiB are cut") && len(value) > 1<<20 {
		value = value[:1<<20]
	}
	if e := s.live(key); s.has("Set of 4 KiB keeps a value of the same length") && e != nil && len(value) >= 4<<10 && len(e.value) == len(value) {
		value = e.value
	}
	if s.has("Set compacts the JSON text") {
		value = compact(value)
	}
	s.put(key, s.live(key), value, ttl)
	return nil
}

func (s toyStore) Del(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.has("Del does nothing"):
		return nil
	case s.has("Del of a missing key is an error") && s.live(key) == nil:
		return errors.New("not found")
	case s.has("Del keeps the deadline for the next entry"):
		if e := s.live(key); e != nil {
			s.ghosts[s.at(key)] = e.deadline
		}
	}
	delete(s.entries, s.at(key))
	return nil
}

func (s toyStore) Has(_ context.Context, key string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.liveFor("Has", key) != nil, nil
}

func (s toyStore) Expire(_ context.Context, key string, ttl time.Duration) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.liveFor("Expire", key)
	switch {
	case e == nil && s.has("Expire creates the key"):
		s.put(key, nil, []byte("null"), ttl)
		return true, nil
	case e == nil:
		return false, nil
	case s.has("Expire gives no deadline to an entry without") && e.deadline.IsZero(),
		s.has("Expire never shortens") && !e.deadline.IsZero() && time.Until(e.deadline) > ttl:
		return true, nil
	}
	e.deadline = s.deadline(ttl)
	return true, nil
}

func (s toyStore) TTL(_ context.Context, key string) (time.Duration, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.liveFor("TTL", key)
	if e == nil {
		return 0, false, nil
	}
	return s.left(e), true, nil
}

func (s toyStore) left(e *toyEntry) time.Duration {
	if e.deadline.IsZero() {
		return driver.NoTTL
	}
	left := time.Until(e.deadline)
	if s.has("what is left is cut to whole milliseconds") {
		return left.Truncate(time.Millisecond) // 0 in the last millisecond, as if it never expired
	}
	return left
}

func (s toyStore) Incr(_ context.Context, key string, by int64, ttl time.Duration) (int64, time.Duration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.liveFor("Incr", key)
	if e == nil {
		if s.has("Incr gives a new counter no TTL") {
			ttl = driver.NoTTL
		}
		s.put(key, nil, strconv.AppendInt(nil, by, 10), ttl)
		if s.has("IncrTTL of a new counter says for ever") {
			return by, driver.NoTTL, nil
		}
		return by, ttl, nil
	}
	value := e.value
	switch {
	case s.has(`Incr takes "5" for 5`):
		value = bytes.Trim(value, `"`)
	case s.has("Incr takes 5.0 for 5"):
		value = bytes.TrimSuffix(value, []byte(".0"))
	case s.has("Incr takes -0 for 0") && string(value) == "-0":
		value = []byte("0")
	case s.has("Incr takes null for 0") && string(value) == "null":
		value = []byte("0")
	}
	sum, err := driver.Add(value, by)
	switch {
	case s.has("Incr goes through a float"):
		f, _ := strconv.ParseFloat(string(value), 64)
		if sum = int64(f + float64(by)); err != nil {
			return 0, 0, err
		}
	case s.has("Incr wraps on overflow") && err != nil:
		if n, notInt := strconv.ParseInt(string(value), 10, 64); notInt == nil && string(value) != "-0" {
			sum, err = n+by, nil
		}
	case s.has("Incr saturates on overflow") && err != nil:
		if n, notInt := strconv.ParseInt(string(value), 10, 64); notInt == nil && string(value) != "-0" {
			sum, err = math.MaxInt64, nil
			if n < 0 {
				sum = math.MinInt64
			}
		}
	case s.has("a refused Incr drops the value") && err != nil:
		delete(s.entries, s.at(key))
	case s.has("a refused Incr moves the deadline") && err != nil && ttl > 0:
		e.deadline = s.deadline(ttl)
	}
	switch {
	case err != nil && s.has("not an integer is another code"):
		return 0, 0, errors.New("WRONGTYPE")
	case err != nil && s.has("a refused Incr says that it may have happened"):
		return 0, 0, driver.Unknown(driver.ErrInvalidValue)
	case err != nil:
		return 0, 0, err
	}
	if s.has("Incr is not atomic") {
		s.yield()
	}
	keep := driver.KeepTTL
	switch {
	case s.has("Incr moves the deadline") && ttl > 0:
		keep = ttl
	case s.has("Incr drops the deadline"):
		keep = driver.NoTTL
	case s.has("Incr gives a counter without TTL one") && e.deadline.IsZero() && ttl > 0:
		keep = ttl
	}
	s.put(key, e, strconv.AppendInt(nil, sum, 10), keep)
	return sum, s.left(e), nil
}

// yield lets other goroutines run between two steps that must be atomic.
func (s toyStore) yield() {
	s.mu.Unlock()
	runtime.Gosched()
	s.mu.Lock()
}

func (s toyStore) SetNX(_ context.Context, key string, value []byte, ttl time.Duration) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.liveFor("SetNX", key)
	switch {
	case e != nil && s.has("a SetNX that does not store changes the TTL"):
		s.put(key, e, e.value, ttl)
		return false, nil
	case e != nil && s.has("a SetNX that does not store replaces the value"):
		s.put(key, e, value, driver.KeepTTL)
		return false, nil
	case e != nil && s.has("SetNX takes null for missing") && string(e.value) == "null":
		e = nil
	}
	if s.has("SetNX is not atomic") {
		s.yield()
	}
	if e != nil {
		return false, nil
	}
	if s.has("SetNX compacts the JSON text") {
		value = compact(value)
	}
	if s.has("SetNX loses its TTL") {
		ttl = driver.NoTTL
	}
	s.put(key, nil, value, ttl)
	return true, nil
}

// same compares old with the entry for CompareAndSwap and CompareAndDelete.
func (s toyStore) same(e *toyEntry, old []byte) bool {
	switch {
	case e == nil:
		return s.has("nil is taken for missing") && string(old) == "null"
	case s.has("values are compared up to 256 bytes"):
		return len(e.value) == len(old) && bytes.Equal(e.value[:min(len(old), 256)], old[:min(len(old), 256)])
	case s.has("values are compared without white space"):
		return bytes.Equal(bytes.TrimSpace(e.value), bytes.TrimSpace(old))
	case s.has("values are compared by pointer"):
		return len(old) > 0 && &e.value[0] == &old[0]
	case s.has("values are compared without case"):
		return bytes.EqualFold(e.value, old)
	case s.has("values are compared as numbers"):
		a, errA := strconv.ParseFloat(string(e.value), 64)
		b, errB := strconv.ParseFloat(string(old), 64)
		return errA == nil && errB == nil && a == b || bytes.Equal(e.value, old)
	}
	return bytes.Equal(e.value, old)
}

func (s toyStore) CompareAndSwap(_ context.Context, key string, old, new []byte, ttl time.Duration) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.liveFor("CompareAndSwap", key)
	same := s.same(e, old)
	if s.has("CompareAndSwap is not atomic") {
		s.yield()
	}
	switch {
	case !same && s.has("a CompareAndSwap that does not swap changes the TTL") && e != nil:
		s.put(key, e, e.value, ttl)
		return false, nil
	case !same:
		return false, nil
	case s.has("CompareAndSwap ignores its TTL"):
		ttl = driver.KeepTTL
	case s.has("CompareAndSwap of an equal value does nothing") && bytes.Equal(old, new):
		return true, nil
	}
	if s.has("CompareAndSwap compacts the JSON text") {
		new = compact(new)
	}
	s.put(key, e, new, ttl)
	return true, nil
}

// compact encodes a JSON text again, as a backend over another API does.
func compact(value []byte) []byte {
	var b bytes.Buffer
	if err := json.Compact(&b, value); err != nil {
		return value
	}
	return b.Bytes()
}

func (s toyStore) CompareAndDelete(_ context.Context, key string, old []byte) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.liveFor("CompareAndDelete", key)
	switch {
	case s.has("CompareAndDelete deletes always"):
		delete(s.entries, s.at(key))
		return e != nil, nil
	case !s.same(e, old):
		return false, nil
	case s.has("CompareAndDelete deletes nothing"):
		return true, nil
	}
	delete(s.entries, s.at(key))
	return true, nil
}
