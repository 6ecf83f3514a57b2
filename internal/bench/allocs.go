package main

import (
	"testing"
	"time"

	"github.com/zelt-go/kv/adaptor"
)

// allocations measures how often one operation of ours allocates.
func allocations(op func(*adaptor.AtomicKVStore)) func(measured) result {
	return func(m measured) result {
		z := openZelt(config{sweep: time.Minute}).(*zelt)
		values(time.Hour)(z, m.entries)
		z.Incr(counterKey)
		return result{Values: map[metric]float64{
			allocs: testing.AllocsPerRun(10_000, func() { op(z.store) }),
		}}
	}
}

var (
	entryKey   = key(0)
	counterKey = "counter"
)

func hasOnce(s *adaptor.AtomicKVStore) {
	_, err := s.Has(background, entryKey)
	must(err)
}

func incrOnce(s *adaptor.AtomicKVStore) {
	_, err := s.Incr(background, counterKey, 1, adaptor.WithTTL(time.Minute))
	must(err)
}

func expireOnce(s *adaptor.AtomicKVStore) {
	_, err := s.Expire(background, entryKey, time.Hour)
	must(err)
}

func getRawOnce(s *adaptor.AtomicKVStore) {
	_, _, err := s.GetRaw(background, entryKey)
	must(err)
}

// small is a small struct.
type small struct{ X, Y int }

func setOnce(s *adaptor.AtomicKVStore) {
	must(s.Set(background, entryKey, small{3, 4}, adaptor.WithTTL(time.Hour)))
}
