package memory

import (
	"math"
	"math/bits"
)

// A wheel finds expired records by their deadlines, without a look at the others. It is a
// hierarchical timing wheel (Varghese and Lauck, 1987) with the levels of a radix heap (Ahuja and
// others, 1990). Level 0 has 64 buckets of 2^20 ns each, about a millisecond. The buckets of each
// higher level are 64 times as wide. The highest digit, in base 64, in which a deadline differs
// from the cursor chooses the level and the bucket. A record with a distant deadline therefore
// stays in a wide bucket until the cursor arrives there, and moves at most once per level.
//
// A bucket is a list that is linked through the records. A record may be in an earlier bucket than
// its deadline requires, because an extended deadline does not move the record.
type wheel struct {
	log    *log
	cursor int64              // no record in a bucket expires before this time
	heads  [levels*64 + 1]ref // of the list of each bucket, and of the list that is being redistributed
	used   [levels]uint64     // one bit per bucket with a record
}

const (
	tickBits   = 20 // the low bits of a deadline, which level 0 ignores
	levels     = 8
	cascading  = levels * 64
	bucketFlag = 1 << 31 // marks the number of a bucket in a field of type ref

	never = math.MaxInt64
)

// bucket returns the number of the bucket for a deadline.
func (w *wheel) bucket(deadline int64) int {
	d := uint64(max(deadline, w.cursor)) >> tickBits
	level := max(0, bits.Len64(d^uint64(w.cursor)>>tickBits)-1) / 6
	return level*64 + int(d>>(6*level)&63)
}

// add adds a record with a deadline to the wheel.
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

// remove removes a record from the wheel.
func (w *wheel) remove(r *record) {
	next := r.next
	w.link(r.prev, next)
	if next != 0 {
		w.log.at(next).prev = r.prev
	}
}

// relink updates the neighbors of a record that has moved.
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

// earliest returns the first bucket with a record, and the time at which the bucket begins. No
// record expires before that time.
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

// expire removes expired records from the wheel and calls expired for each. It stops after limit
// changes, or if no other record has expired. It returns the number of records that it removed or
// moved to another bucket; 0 means that there was nothing to do. Of the records that expire later
// in the current tick, it examines at most 16 times limit, and leaves the rest for the next tick.
// The function expired must not move records.
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
				looked++ // expires within this tick, but not yet
				continue
			}
			changed++
		}
		if w.heads[bucket] != 0 {
			break // because of the limit, or because the rest expires within this tick
		}
	}
	return changed
}

// cascade moves the list of a bucket to the list that is being redistributed.
func (w *wheel) cascade(bucket int) {
	at := w.heads[bucket]
	w.link(bucketFlag|ref(bucket), 0)
	w.heads[cascading] = at
	w.log.at(at).prev = bucketFlag | cascading
}
