package adaptortest

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/zelt-go/kv/adaptor/driver"
)

var _ driver.Batch = toyStore{}

func (s toyStore) GetMany(ctx context.Context, keys []string) []driver.Got {
	var got []driver.Got
	if s.has("GetMany ignores the order") {
		keys = slices.Sorted(slices.Values(keys))
	}
	first := map[string]driver.Got{}
	for _, key := range keys {
		var g driver.Got
		g.Value, g.Found, g.Err = s.Get(ctx, key)
		switch {
		case s.has("GetMany leaves out what is missing") && !g.Found:
			continue
		case s.has("GetMany takes an expired entry for a live one") && !g.Found && s.entries[s.at(key)] != nil:
			g.Value, g.Found = s.entries[s.at(key)].value, true
		case s.has("GetMany trims white space"):
			g.Value = bytes.TrimSpace(g.Value)
		case s.has("GetMany cuts values at 4 KiB"):
			g.Value = g.Value[:min(len(g.Value), 4<<10)]
		case s.has("GetMany returns one slice for a key that comes twice") && first[key].Found:
			g = first[key]
		}
		first[key] = g
		got = append(got, g)
	}
	return got
}

func (s toyStore) SetMany(ctx context.Context, keys []string, values [][]byte, ttl time.Duration) []error {
	for i, key := range keys {
		switch {
		case s.has("SetMany stores the first of equal keys") && slices.Index(keys, key) < i:
			continue
		case s.has("SetMany loses its TTL"):
			ttl = driver.NoTTL
		case s.has("SetMany stores at most 256") && i >= 256:
			continue
		}
		value := values[i]
		if s.has("SetMany compacts the JSON text") {
			value = compact(value)
		}
		_ = s.Set(ctx, key, value, ttl)
	}
	return nil
}

func (s toyStore) DelMany(ctx context.Context, keys []string) []error {
	for i, key := range keys {
		if s.has("DelMany leaves the last") && i > 0 && i == len(keys)-1 {
			break
		}
		_ = s.Del(ctx, key)
	}
	return nil
}
