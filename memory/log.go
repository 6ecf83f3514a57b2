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
	length   int    // in bytes; 0: there is no segment of this number
	end      uint16 // where the next record goes
	live     uint16 // bytes of the records before end that are not buried
	single   bool
	reserved int // what the bound gets back for it
}

func (s *segment) room() int    { return s.length - int(s.end) }
func (s *segment) garbage() int { return int(s.end - s.live) }

// buffer is memory for records, of so many bytes, a multiple of unit.
type buffer []uint64

func newBuffer(bytes int) buffer { return slices.Grow(buffer(nil), bytes/wordSize)[:bytes/wordSize] }

func (m buffer) firstRecord() *record { return (*record)(unsafe.Pointer(unsafe.SliceData(m))) }
func (m buffer) allocated() int       { return cap(m) * wordSize }

// ref is the place of a record: the number of its segment, and the offset in it in
// units. 0 is no record. The top bit stays 0, to tell a ref from a bucket of the wheel.
type ref uint32

const (
	offsetBits  = 12
	offsetMask  = 1<<offsetBits - 1
	maxSegments = 1 << (31 - offsetBits)

	minSegment = 512
	maxSegment = wordSize << offsetBits // 32 KiB
	maxSmall   = maxSegment / 8         // the longest record that shares a segment

	// segmentCost is what a segment takes beside its data: a place in lists that may
	// have grown longer than they need to be.
	segmentCost = 96
)

func refTo(number uint32, offset int) ref { return ref(number<<offsetBits | uint32(offset/wordSize)) }
func (r ref) segment() uint32             { return uint32(r >> offsetBits) }

// A log holds the records of a shard. Small ones are appended to the current segment.
// The space of buried ones is garbage until their segment is cleaned: its live records are
// copied elsewhere, and it is left to Go's collector, for there may be readers in it.
type log struct {
	segments       []segment // by number; there is no number 0
	view           *atomic.Pointer[view]
	budget         *budget
	freeNumbers    []uint32 // numbers without a segment
	retiredNumbers []uint32 // numbers whose segment is closed, and which readers of this view may still hold
	shared         []uint32 // numbers of the segments that are not single
	current        uint32   // the segment that is appended to; 0: none
	sharedBytes    int      // bytes of the segments that are not single
	garbage        int      // bytes of buried records in them

	// onMove is told of each record that cleaning has put elsewhere.
	onMove func(r *record, from, to ref)
}

func (l *log) first(number uint32) *record { return l.view.Load().segments[number].Load() }
func (l *log) at(r ref) *record            { return l.first(r.segment()).atOffset(r) }

// numbersExhausted reports whether the last number must be left to rewrite.
func (l *log) numbersExhausted() bool {
	return len(l.freeNumbers)+len(l.retiredNumbers) == 0 && len(l.segments) >= maxSegments-1 ||
		len(l.freeNumbers)+len(l.retiredNumbers) == 1 && len(l.segments) == maxSegments
}

// addSegment adds a segment that the bound has counted. It returns 0 if there is no number for it, which
// does not happen if the log is not crowded.
func (l *log) addSegment(m buffer, s segment) (number uint32) {
	s.length = len(m) * wordSize
	if len(l.freeNumbers) == 0 && (len(l.retiredNumbers) > len(l.segments)/2 || len(l.retiredNumbers) > 0 && len(l.segments) == maxSegments) {
		l.recycleNumbers()
	}
	switch n := len(l.freeNumbers); {
	case n > 0:
		number, l.freeNumbers = l.freeNumbers[n-1], l.freeNumbers[:n-1]
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
		v = &view{buckets: v.buckets, segments: copySegments(v.segments, cap(l.segments))}
		l.view.Store(v)
	}
	v.segments[number].Store(m.firstRecord())
	if !s.single {
		l.sharedBytes += s.length
		l.shared = append(l.shared, number)
	}
	return number
}

func copySegments(list []atomic.Pointer[record], n int) []atomic.Pointer[record] {
	longer := make([]atomic.Pointer[record], n)
	for i := range list {
		longer[i].Store(list[i].Load())
	}
	return longer
}

// recycleNumbers begins a view in which retired numbers can be used again: see view.
func (l *log) recycleNumbers() {
	v := l.view.Load()
	l.view.Store(&view{buckets: slices.Clone(v.buckets), segments: copySegments(v.segments, len(v.segments))})
	l.freeNumbers, l.retiredNumbers = append(l.freeNumbers, l.retiredNumbers...), nil
}

// removeSegment gives a segment back.
func (l *log) removeSegment(number uint32) {
	s := &l.segments[number]
	if !s.single {
		l.sharedBytes -= s.length
		l.garbage -= s.garbage()
		last := len(l.shared) - 1
		l.shared[slices.Index(l.shared, number)] = l.shared[last]
		l.shared = l.shared[:last]
	}
	l.budget.release(s.reserved)
	*s = segment{}
	l.view.Load().segments[number].Store(nil)
	l.retiredNumbers = append(l.retiredNumbers, number)
	if number == l.current {
		l.current = 0
	}
	if len(l.retiredNumbers)+len(l.freeNumbers) == len(l.segments)-1 { // lists don't give memory back by themselves
		l.view.Store(&view{buckets: slices.Clone(l.view.Load().buckets)})
		l.segments, l.freeNumbers, l.retiredNumbers, l.shared = nil, nil, nil, nil
	}
}

// setCurrent makes a segment the current one.
func (l *log) setCurrent(number uint32) {
	before := l.current
	l.current = number
	if before != 0 && before != number && l.segments[before].live == 0 {
		l.removeSegment(before)
	}
}

// allocate makes room for a record of size bytes, at most maxSmall, and returns its
// place, or 0 if the bound allows no more. Records may move either way.
func (l *log) allocate(size int) ref {
	if !l.fits(size) && !l.findSpace(size) {
		return 0
	}
	return l.allocateFitting(size)
}

func (l *log) fits(size int) bool {
	return l.current != 0 && l.segments[l.current].room() >= size
}

// allocateFitting is append where size fits.
func (l *log) allocateFitting(size int) ref {
	s := &l.segments[l.current]
	at := refTo(l.current, int(s.end))
	s.end += uint16(size)
	s.live += uint16(size)
	return at
}

// minGarbage is how much garbage a small log may have: with less, the same few records would be copied
// again and again.
const minGarbage = 8 << 10

// findSpace has a current segment that size fits into: one that was cleaned, once a
// twelfth of the log is garbage; a new one; or, at the bound, any that has the room.
func (l *log) findSpace(size int) bool {
	for l.garbage > max(l.sharedBytes/12, minGarbage) && l.clean(l.victim()) {
		if l.fits(size) {
			return true
		}
	}
	if l.addShared(size) {
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

// addShared opens a segment, the larger the more the log holds, and makes it current. At the
// bound, it is as large as can be had.
func (l *log) addShared(size int) bool {
	length := minSegment
	for length < size || length < maxSegment && length < l.sharedBytes/4 {
		length *= 2
	}
	for !l.budget.reserve(length + segmentCost) {
		if length /= 2; length < size || length < minSegment {
			return false
		}
	}
	if l.numbersExhausted() {
		l.budget.release(length + segmentCost)
		return false
	}
	number := l.addSegment(newBuffer(length), segment{reserved: length + segmentCost})
	l.setCurrent(number)
	return true
}

// addSingle opens a segment for a large record, which the bound has counted, and returns
// its place, or 0 if that can't be.
func (l *log) addSingle(m buffer) ref {
	if l.numbersExhausted() || !l.budget.reserve(segmentCost) {
		return 0
	}
	return refTo(l.addSegment(m, segment{single: true, reserved: m.allocated() + segmentCost}), 0)
}

// markDead makes the record at r garbage.
func (l *log) markDead(at ref) {
	number := at.segment()
	s := &l.segments[number]
	if s.single {
		l.removeSegment(number)
		return
	}
	l.addGarbage(s, l.at(at))
	if s.live == 0 && (number != l.current || s.length > max(maxEmptySegment, l.sharedBytes/2)) {
		l.removeSegment(number)
	}
}

// addGarbage counts a record that is buried, or was moved.
func (l *log) addGarbage(s *segment, r *record) {
	r.prev = dead
	size := r.size()
	s.live -= uint16(size)
	l.garbage += size
}

// maxEmptySegment is how long a current segment without a record may be to be kept, in a log that
// holds little else: one that holds a lock now and then is not to be allocated each time.
const maxEmptySegment = 4 << 10

// replaceSingle puts a record that the bound has not counted into the place of a single one, if
// it takes no more memory. It is for the bound, which has no room for both.
func (l *log) replaceSingle(at ref, m buffer) bool {
	s := &l.segments[at.segment()]
	saved := s.reserved - m.allocated() - segmentCost
	if !s.single || saved < 0 {
		return false
	}
	before, r := l.at(at), m.firstRecord()
	r.deadline, r.next, r.prev = before.deadline, before.next, before.prev
	l.view.Load().segments[at.segment()].Store(r)
	s.length, s.reserved = len(m)*wordSize, s.reserved-saved
	l.budget.release(saved)
	return true
}

// victim is the segment with most garbage.
func (l *log) victim() (number uint32) {
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
		r := first.atOffset(refTo(0, offset))
		if size = r.size(); r.isDead() {
			continue
		}
		if number == l.current || !l.fits(size) {
			return l.rewrite(number, 0)
		}
		l.move(s, r, refTo(number, offset))
	}
	l.removeSegment(number)
	return true
}

// rewrite moves the live records of a segment, but one, into a new segment that is as long, and is
// counted in its stead. That becomes the current one.
func (l *log) rewrite(number uint32, except ref) bool {
	first := l.first(number)
	replacement := l.addSegment(newBuffer(l.segments[number].length), segment{})
	if replacement == 0 {
		return false
	}
	s := &l.segments[number]
	l.segments[replacement].reserved, s.reserved = s.reserved, 0
	l.setCurrent(replacement)
	for offset, size := 0, 0; offset < int(s.end); offset += size {
		r := first.atOffset(refTo(0, offset))
		if size = r.size(); !r.isDead() && refTo(number, offset) != except {
			l.move(s, r, refTo(number, offset))
		}
	}
	if s.live == 0 && s.length != 0 {
		l.removeSegment(number)
	}
	return true
}

// move copies a record of s into the current segment, where it fits.
func (l *log) move(s *segment, r *record, from ref) {
	size := r.size()
	to := l.allocateFitting(size)
	copy(l.at(to).bytes(0, size), r.bytes(0, size))
	l.onMove(l.at(to), from, to)
	l.addGarbage(s, r)
}

// allocateReplacing is append at the bound, for a record that is to replace the one at old: their
// segment is written anew without that one, if there is room in it then.
func (l *log) allocateReplacing(old ref, size int) ref {
	s := &l.segments[old.segment()]
	if s.single || s.room()+s.garbage()+l.at(old).size() < size || !l.rewrite(old.segment(), old) {
		return 0
	}
	return l.allocateFitting(size)
}
