package memory

import (
	"math"
	"math/bits"
)

// A wheel finds the records that are due, by their deadlines and not by looking at those
// that aren't. It is the hierarchical timing wheel of Varghese and Lauck (1987) with
// the levels of a radix heap (Ahuja and others, 1990): level 0 has 64 buckets of 2^20 ns,
// about a millisecond, and each level above 64 buckets that are 64 times as wide. A
// deadline is in the bucket of its highest digit, to the base 64, that differs from the
// cursor's, so what has a deadline far away is not moved before its wide bucket
// comes, and at most once for each level.
//
// A bucket is a list through the records themselves. A record may be in a bucket that comes
// before its deadline, because a deadline that is put off moves nothing.
type wheel struct {
	log    *log
	cursor int64              // no record that is in a bucket is due before it
	heads  [levels*64 + 1]ref // of each bucket, and of the one that is being emptied
	used   [levels]uint64     // one bit per bucket that is not empty
}

const (
	tickBits   = 20 // bits of a deadline below level 0
	levels     = 8
	cascading  = levels * 64
	bucketFlag = 1 << 31 // marks a bucket where a ref could be

	never = math.MaxInt64
)

// bucket is where a deadline belongs.
func (w *wheel) bucket(deadline int64) int {
	d := uint64(max(deadline, w.cursor)) >> tickBits
	level := max(0, bits.Len64(d^uint64(w.cursor)>>tickBits)-1) / 6
	return level*64 + int(d>>(6*level)&63)
}

// add puts a record that has a deadline on the wheel.
func (w *wheel) add(r *record, at ref) {
	bucket := w.bucket(r.deadline)
	next := w.heads[bucket]
	r.next, r.prev = next, bucketFlag|ref(bucket)
	if next != 0 {
		w.log.at(next).prev = at
	}
	w.heads[bucket] = at
	w.used[bucket/64] |= 1 << (bucket % 64)
}

// remove takes a record off the wheel.
func (w *wheel) remove(r *record) {
	next := r.next
	w.link(r.prev, next)
	if next != 0 {
		w.log.at(next).prev = r.prev
	}
}

// relink notes that a record is in another place.
func (w *wheel) relink(r *record, to ref) {
	w.link(r.prev, to)
	if next := r.next; next != 0 {
		w.log.at(next).prev = to
	}
}

// link makes next the successor of prev.
func (w *wheel) link(prev, next ref) {
	if prev&bucketFlag == 0 {
		w.log.at(prev).next = next
		return
	}
	bucket := int(prev &^ bucketFlag)
	w.heads[bucket] = next
	if next == 0 && bucket != cascading {
		w.used[bucket/64] &^= 1 << (bucket % 64)
	}
}

// earliest is the first bucket that is not empty, and when it begins: no record is due
// before.
func (w *wheel) earliest() (bucket int, start int64) {
	if w.heads[cascading] != 0 {
		return cascading, 0
	}
	for level, used := range w.used {
		if used != 0 {
			digit := bits.TrailingZeros64(used)
			shift := tickBits + 6*level
			above := uint64(w.cursor) >> shift &^ 63
			return level*64 + digit, int64((above | uint64(digit)) << shift)
		}
	}
	return 0, never
}

// expire calls bury for *records that are due, off the wheel already, until it has changed
// limit records or no other is due. It returns how many it buried or put elsewhere: if
// that is none, there was nothing to do. It looks at 16 times as many that are not due until
// later in the current tick, and leaves the rest for the next tick. bury must not move records.
func (w *wheel) expire(c *clock, limit int, expired func(r *record, at ref)) (changed int) {
	for looked := 0; changed < limit; {
		bucket, start := w.earliest()
		if start > c.now() {
			break
		}
		w.cursor = max(w.cursor, start)
		if bucket >= 64 && bucket != cascading {
			w.cascade(bucket)
			continue
		}
		var next ref
		for at := w.heads[bucket]; at != 0 && changed < limit && looked < 16*limit; at = next {
			r := w.log.at(at)
			next = r.next
			switch {
			case r.expired(c):
				w.remove(r)
				expired(r, at)
			case w.bucket(r.deadline) != bucket:
				w.remove(r)
				w.add(r, at)
			default:
				looked++ // due within this tick, but not yet
				continue
			}
			changed++
		}
		if w.heads[bucket] != 0 {
			break // by the limit, or for less than a tick
		}
	}
	return changed
}

// cascade makes a bucket the one that is being emptied.
func (w *wheel) cascade(bucket int) {
	at := w.heads[bucket]
	w.link(bucketFlag|ref(bucket), 0)
	w.heads[cascading] = at
	w.log.at(at).prev = bucketFlag | cascading
}
