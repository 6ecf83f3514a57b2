package memory

import (
	"slices"
	"sync/atomic"
	"unsafe"
)

// A segment is a piece of memory without pointers that holds records, one behind the
// other; or a single record, of more than maxSmall bytes when it was new. Where the memory is, its
// view says: one pointer is enough for Go's collector to follow.
type segment struct {
	length  int    // in bytes; 0: there is no segment of this number
	end     uint16 // where the next record goes
	live    uint16 // bytes of the records before end that are not buried
	single  bool
	counted int // what the bound gets back for it
}

func (s *segment) room() int    { return s.length - int(s.end) }
func (s *segment) garbage() int { return int(s.end - s.live) }

// memory is memory for records, of so many bytes, a multiple of unit.
type memory []uint64

func newMemory(bytes int) memory { return slices.Grow(memory(nil), bytes/unit)[:bytes/unit] }

func (m memory) first() *record { return (*record)(unsafe.Pointer(unsafe.SliceData(m))) }
func (m memory) cost() int      { return cap(m) * unit }

// ref is the place of a record: the number of its segment, and the offset in it in
// units. 0 is no record. The top bit stays 0, to tell a ref from a bucket of the wheel.
type ref uint32

const (
	offsetBits  = 12
	offsetMask  = 1<<offsetBits - 1
	maxSegments = 1 << (31 - offsetBits)

	minSegment = 512
	maxSegment = unit << offsetBits // 32 KiB
	maxSmall   = maxSegment / 8     // the longest record that shares a segment

	// segmentCost is what a segment takes beside its data: a place in lists that may
	// have grown longer than they need to be.
	segmentCost = 96
)

func refTo(number uint32, offset int) ref { return ref(number<<offsetBits | uint32(offset/unit)) }
func (r ref) segment() uint32             { return uint32(r >> offsetBits) }

// A log holds the records of a shard. Small ones are appended to the current segment.
// The space of buried ones is garbage until their segment is cleaned: its live records are
// copied elsewhere, and it is left to Go's collector, for there may be readers in it.
type log struct {
	segments []segment // by number; there is no number 0
	view     *atomic.Pointer[view]
	bound    *bound
	unused   []uint32 // numbers without a segment
	retired  []uint32 // numbers whose segment is closed, and which readers of this view may still hold
	shared   []uint32 // numbers of the segments that are not single
	current  uint32   // the segment that is appended to; 0: none
	held     int      // bytes of the segments that are not single
	garbage  int      // bytes of buried records in them

	// moved is told of each record that cleaning has put elsewhere.
	moved func(r *record, from, to ref)
}

func (l *log) first(number uint32) *record { return l.view.Load().segments[number].Load() }
func (l *log) at(r ref) *record            { return l.first(r.segment()).plus(r) }

// crowded reports whether the last number must be left to rewrite.
func (l *log) crowded() bool {
	return len(l.unused)+len(l.retired) == 0 && len(l.segments) >= maxSegments-1 ||
		len(l.unused)+len(l.retired) == 1 && len(l.segments) == maxSegments
}

// open adds a segment that the bound has counted. It returns 0 if there is no number for it, which
// does not happen if the log is not crowded.
func (l *log) open(m memory, s segment) (number uint32) {
	s.length = len(m) * unit
	if len(l.unused) == 0 && (len(l.retired) > len(l.segments)/2 || len(l.retired) > 0 && len(l.segments) == maxSegments) {
		l.renew()
	}
	switch n := len(l.unused); {
	case n > 0:
		number, l.unused = l.unused[n-1], l.unused[:n-1]
		l.segments[number] = s
	case len(l.segments) == maxSegments:
		return 0
	default:
		if len(l.segments) == 0 {
			l.segments = make([]segment, 1, 4)
		}
		number = uint32(len(l.segments))
		l.segments = append(l.segments, s)
	}
	v := l.view.Load()
	if int(number) >= len(v.segments) {
		v = &view{buckets: v.buckets, segments: copyOf(v.segments, cap(l.segments))}
		l.view.Store(v)
	}
	v.segments[number].Store(m.first())
	if !s.single {
		l.held += s.length
		l.shared = append(l.shared, number)
	}
	return number
}

func copyOf(list []atomic.Pointer[record], n int) []atomic.Pointer[record] {
	longer := make([]atomic.Pointer[record], n)
	for i := range list {
		longer[i].Store(list[i].Load())
	}
	return longer
}

// renew begins a view in which retired numbers can be used again: see view.
func (l *log) renew() {
	v := l.view.Load()
	l.view.Store(&view{buckets: slices.Clone(v.buckets), segments: copyOf(v.segments, len(v.segments))})
	l.unused, l.retired = append(l.unused, l.retired...), nil
}

// close gives a segment back.
func (l *log) close(number uint32) {
	s := &l.segments[number]
	if !s.single {
		l.held -= s.length
		l.garbage -= s.garbage()
		last := len(l.shared) - 1
		l.shared[slices.Index(l.shared, number)] = l.shared[last]
		l.shared = l.shared[:last]
	}
	l.bound.give(s.counted)
	*s = segment{}
	l.view.Load().segments[number].Store(nil)
	l.retired = append(l.retired, number)
	if number == l.current {
		l.current = 0
	}
	if len(l.retired)+len(l.unused) == len(l.segments)-1 { // lists don't give memory back by themselves
		l.view.Store(&view{buckets: slices.Clone(l.view.Load().buckets)})
		l.segments, l.unused, l.retired, l.shared = nil, nil, nil, nil
	}
}

// turnTo makes a segment the current one.
func (l *log) turnTo(number uint32) {
	before := l.current
	l.current = number
	if before != 0 && before != number && l.segments[before].live == 0 {
		l.close(before)
	}
}

// append makes room for a record of size bytes, at most maxSmall, and returns its
// place, or 0 if the bound allows no more. Records may move either way.
func (l *log) append(size int) ref {
	if !l.fits(size) && !l.makeRoom(size) {
		return 0
	}
	return l.take(size)
}

func (l *log) fits(size int) bool {
	return l.current != 0 && l.segments[l.current].room() >= size
}

// take is append where size fits.
func (l *log) take(size int) ref {
	s := &l.segments[l.current]
	at := refTo(l.current, int(s.end))
	s.end += uint16(size)
	s.live += uint16(size)
	return at
}

// slack is how much garbage a small log may have: with less, the same few records would be copied
// again and again.
const slack = 8 << 10

// makeRoom has a current segment that size fits into: one that was cleaned, once a
// twelfth of the log is garbage; a new one; or, at the bound, any that has the room.
func (l *log) makeRoom(size int) bool {
	for l.garbage > max(l.held/12, slack) && l.clean(l.dirtiest()) {
		if l.fits(size) {
			return true
		}
	}
	if l.grow(size) {
		return true
	}
	roomiest, most := uint32(0), 0
	for _, number := range l.shared {
		s := &l.segments[number]
		if room := s.room() + s.garbage(); room > most {
			roomiest, most = number, room
		}
	}
	return most >= size && l.rewrite(roomiest, 0)
}

// grow opens a segment, the larger the more the log holds, and makes it current. At the
// bound, it is as large as can be had.
func (l *log) grow(size int) bool {
	length := minSegment
	for length < size || length < maxSegment && length < l.held/4 {
		length *= 2
	}
	for !l.bound.take(length + segmentCost) {
		if length /= 2; length < size || length < minSegment {
			return false
		}
	}
	if l.crowded() {
		l.bound.give(length + segmentCost)
		return false
	}
	number := l.open(newMemory(length), segment{counted: length + segmentCost})
	l.turnTo(number)
	return true
}

// adopt opens a segment for a large record, which the bound has counted, and returns
// its place, or 0 if that can't be.
func (l *log) adopt(m memory) ref {
	if l.crowded() || !l.bound.take(segmentCost) {
		return 0
	}
	return refTo(l.open(m, segment{single: true, counted: m.cost() + segmentCost}), 0)
}

// bury makes the record at r garbage.
func (l *log) bury(at ref) {
	number := at.segment()
	s := &l.segments[number]
	if s.single {
		l.close(number)
		return
	}
	l.spend(s, l.at(at))
	if s.live == 0 && (number != l.current || s.length > max(keptEmpty, l.held/2)) {
		l.close(number)
	}
}

// spend counts a record that is buried, or was moved.
func (l *log) spend(s *segment, r *record) {
	r.prev = buried
	size := r.size()
	s.live -= uint16(size)
	l.garbage += size
}

// keptEmpty is how long a current segment without a record may be to be kept, in a log that
// holds little else: one that holds a lock now and then is not to be allocated each time.
const keptEmpty = 4 << 10

// exchange puts a record that the bound has not counted into the place of a single one, if
// it takes no more memory. It is for the bound, which has no room for both.
func (l *log) exchange(at ref, m memory) bool {
	s := &l.segments[at.segment()]
	saved := s.counted - m.cost() - segmentCost
	if !s.single || saved < 0 {
		return false
	}
	before, r := l.at(at), m.first()
	r.deadline, r.next, r.prev = before.deadline, before.next, before.prev
	l.view.Load().segments[at.segment()].Store(r)
	s.length, s.counted = len(m)*unit, s.counted-saved
	l.bound.give(saved)
	return true
}

// dirtiest is the segment with most garbage.
func (l *log) dirtiest() (number uint32) {
	most := 0
	for _, n := range l.shared {
		if garbage := l.segments[n].garbage(); garbage > most {
			number, most = n, garbage
		}
	}
	return number
}

// clean moves the live records of a segment into the current one, as long as they fit, the
// others as rewrite does, and closes it. It reports whether it could.
func (l *log) clean(number uint32) bool {
	s, first := &l.segments[number], l.first(number)
	for offset, size := 0, 0; offset < int(s.end); offset += size {
		r := first.plus(refTo(0, offset))
		if size = r.size(); r.isBuried() {
			continue
		}
		if number == l.current || !l.fits(size) {
			return l.rewrite(number, 0)
		}
		l.move(s, r, refTo(number, offset))
	}
	l.close(number)
	return true
}

// rewrite moves the live records of a segment, but one, into a new segment that is as long, and is
// counted in its stead. That becomes the current one.
func (l *log) rewrite(number uint32, but ref) bool {
	first := l.first(number)
	fresh := l.open(newMemory(l.segments[number].length), segment{})
	if fresh == 0 {
		return false
	}
	s := &l.segments[number]
	l.segments[fresh].counted, s.counted = s.counted, 0
	l.turnTo(fresh)
	for offset, size := 0, 0; offset < int(s.end); offset += size {
		r := first.plus(refTo(0, offset))
		if size = r.size(); !r.isBuried() && refTo(number, offset) != but {
			l.move(s, r, refTo(number, offset))
		}
	}
	if s.live == 0 && s.length != 0 {
		l.close(number)
	}
	return true
}

// move copies a record of s into the current segment, where it fits.
func (l *log) move(s *segment, r *record, from ref) {
	size := r.size()
	to := l.take(size)
	copy(l.at(to).bytes(0, size), r.bytes(0, size))
	l.moved(l.at(to), from, to)
	l.spend(s, r)
}

// appendInstead is append at the bound, for a record that is to replace the one at old: their
// segment is written anew without that one, if there is room in it then.
func (l *log) appendInstead(old ref, size int) ref {
	s := &l.segments[old.segment()]
	if s.single || s.room()+s.garbage()+l.at(old).size() < size || !l.rewrite(old.segment(), old) {
		return 0
	}
	return l.take(size)
}
