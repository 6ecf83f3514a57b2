package memory

import (
	"slices"
	"sync/atomic"
	"unsafe"
)

// A segment holds records, one after the other, in memory without pointers. A single segment holds
// one record, which was longer than maxSmall when it was written. The view of the shard has a
// pointer to the memory of each segment: Go's collector has to follow that pointer only.
type segment struct {
	length   int    // in bytes; 0 means that no segment has this number
	end      uint16 // offset of the next record
	live     uint16 // bytes of the live records before end
	single   bool
	reserved int // bytes that the segment has reserved in the budget
}

func (s *segment) room() int    { return s.length - int(s.end) }
func (s *segment) garbage() int { return int(s.end - s.live) }

// buffer is the memory of a segment. Its length in bytes is a multiple of wordSize.
type buffer []uint64

func newBuffer(bytes int) buffer { return slices.Grow(buffer(nil), bytes/wordSize)[:bytes/wordSize] }

func (m buffer) firstRecord() *record { return (*record)(unsafe.Pointer(unsafe.SliceData(m))) }
func (m buffer) allocated() int       { return cap(m) * wordSize }

// A ref refers to a record: the number of its segment, and its offset in the segment, in words. 0
// refers to no record. The top bit is 0, which tells a ref from a bucket of the wheel.
type ref uint32

const (
	offsetBits  = 12
	offsetMask  = 1<<offsetBits - 1
	maxSegments = 1 << (31 - offsetBits)

	minSegment = 512
	maxSegment = wordSize << offsetBits // 32 KiB
	maxSmall   = maxSegment / 8         // the longest record that shares a segment with others

	// segmentCost is what a segment takes in addition to its memory: its share of the log's lists,
	// which may be longer than necessary.
	segmentCost = 96
)

func refTo(number uint32, offset int) ref { return ref(number<<offsetBits | uint32(offset/wordSize)) }
func (r ref) segment() uint32             { return uint32(r >> offsetBits) }

// A log holds the records of a shard. Small records are appended to the current segment. The space
// of dead records is garbage until the log cleans their segment: it copies the live records to
// another segment. Go's collector frees the old memory, because readers may still use it.
type log struct {
	segments       []segment // by number; the number 0 is never used
	view           *atomic.Pointer[view]
	budget         *budget
	freeNumbers    []uint32 // numbers that have no segment
	retiredNumbers []uint32 // numbers of removed segments, which readers of the current view may still use
	shared         []uint32 // numbers of the segments that are not single
	current        uint32   // the segment that records are appended to; 0 means none
	sharedBytes    int      // bytes of the segments that are not single
	garbage        int      // bytes of the dead records in those segments

	// onMove is called for each record after cleaning has moved it.
	onMove func(r *record, from, to ref)
}

func (l *log) first(number uint32) *record { return l.view.Load().segments[number].Load() }
func (l *log) at(r ref) *record            { return l.first(r.segment()).atOffset(r) }

// numbersExhausted reports whether only rewrite may still add a segment, with the last free number.
func (l *log) numbersExhausted() bool {
	return len(l.freeNumbers)+len(l.retiredNumbers) == 0 && len(l.segments) >= maxSegments-1 ||
		len(l.freeNumbers)+len(l.retiredNumbers) == 1 && len(l.segments) == maxSegments
}

// addSegment adds a segment whose memory is reserved in the budget. It returns 0 if no number is
// free. That cannot happen unless numbersExhausted.
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

// recycleNumbers starts a view in which retired numbers may be used again. See view for the reason.
func (l *log) recycleNumbers() {
	v := l.view.Load()
	l.view.Store(&view{buckets: slices.Clone(v.buckets), segments: copySegments(v.segments, len(v.segments))})
	l.freeNumbers, l.retiredNumbers = append(l.freeNumbers, l.retiredNumbers...), nil
}

// removeSegment removes a segment and releases its memory in the budget.
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
	if len(l.retiredNumbers)+len(l.freeNumbers) == len(l.segments)-1 { // all segments are removed: drop the lists, which would not shrink by themselves
		l.view.Store(&view{buckets: slices.Clone(l.view.Load().buckets)})
		l.segments, l.freeNumbers, l.retiredNumbers, l.shared = nil, nil, nil, nil
	}
}

// setCurrent makes a segment the current one. It removes the previous one if that has no live
// record.
func (l *log) setCurrent(number uint32) {
	before := l.current
	l.current = number
	if before != 0 && before != number && l.segments[before].live == 0 {
		l.removeSegment(before)
	}
}

// allocate allocates space for a record of size bytes, at most maxSmall. It returns 0 if the budget
// is exhausted. Records may move in both cases.
func (l *log) allocate(size int) ref {
	if !l.fits(size) && !l.findSpace(size) {
		return 0
	}
	return l.allocateFitting(size)
}

func (l *log) fits(size int) bool {
	return l.current != 0 && l.segments[l.current].room() >= size
}

// allocateFitting allocates space in the current segment. The caller has checked that size fits.
func (l *log) allocateFitting(size int) ref {
	s := &l.segments[l.current]
	at := refTo(l.current, int(s.end))
	s.end += uint16(size)
	s.live += uint16(size)
	return at
}

// minGarbage is the number of bytes of garbage that writes leave in a log. With a lower limit, a
// small log would copy the same few records again and again.
const minGarbage = 8 << 10

// findSpace makes a segment with room for size bytes the current one. As long as a twelfth of the
// log is garbage, it cleans segments. If that gives no room, it adds a segment. If the budget is
// exhausted, it rewrites the segment with the most room and garbage, if that is enough.
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

// addShared adds a segment and makes it the current one. The segment is larger if the log holds
// more. If the budget is nearly exhausted, the segment is as large as the budget allows.
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

// addSingle adds a segment for one large record, whose memory is reserved in the budget. It returns
// 0 if the budget or the segment numbers are exhausted.
func (l *log) addSingle(m buffer) ref {
	if l.numbersExhausted() || !l.budget.reserve(segmentCost) {
		return 0
	}
	return refTo(l.addSegment(m, segment{single: true, reserved: m.allocated() + segmentCost}), 0)
}

// markDead makes the record at the given ref garbage.
func (l *log) markDead(at ref) {
	number := at.segment()
	s := &l.segments[number]
	if s.single {
		l.removeSegment(number)
		return
	}
	l.addGarbage(s, l.at(at))
	if s.live == 0 && number != l.current {
		l.removeSegment(number)
	}
	// The current segment may have become empty before. It is then too long for the rest of the log.
	if c := l.current; c != 0 && l.segments[c].live == 0 && l.segments[c].length > max(maxEmptySegment, l.sharedBytes/2) {
		l.removeSegment(c)
	}
}

// addGarbage counts the space of a dead or moved record of s as garbage.
func (l *log) addGarbage(s *segment, r *record) {
	r.prev = dead
	size := r.size()
	s.live -= uint16(size)
	l.garbage += size
}

// maxEmptySegment is the longest current segment, in bytes, that a nearly empty log keeps although
// it has no live record. A store that holds one lock from time to time would otherwise allocate a
// segment for each lock.
const maxEmptySegment = 4 << 10

// replaceSingle replaces the record of a single segment by one that takes no more memory. The new
// record has no reservation in the budget: this is for a budget without room for both records.
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

// victim returns the number of the segment with the most garbage, which is cleaned next.
func (l *log) victim() (number uint32) {
	most := 0
	for _, n := range l.shared {
		if garbage := l.segments[n].garbage(); garbage > most {
			number, most = n, garbage
		}
	}
	return number
}

// clean moves the live records of a segment into the current one and removes the segment. If the
// records do not fit, clean rewrites the segment. It reports whether it succeeded.
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

// rewrite moves the live records of a segment, without the record at except, into a new segment of
// the same length. The new segment takes over the old one's reservation and becomes the current
// one.
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

// move copies a record of s into the current segment, where it must fit.
func (l *log) move(s *segment, r *record, from ref) {
	size := r.size()
	to := l.allocateFitting(size)
	copy(l.at(to).bytes(0, size), r.bytes(0, size))
	l.onMove(l.at(to), from, to)
	l.addGarbage(s, r)
}

// allocateReplacing allocates space for a record that replaces the one at old, if the budget is
// exhausted. It rewrites the segment without the old record, if that leaves enough room.
func (l *log) allocateReplacing(old ref, size int) ref {
	s := &l.segments[old.segment()]
	if s.single || s.room()+s.garbage()+l.at(old).size() < size || !l.rewrite(old.segment(), old) {
		return 0
	}
	return l.allocateFitting(size)
}
