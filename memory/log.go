package memory

import "slices"

// A segment is a piece of memory without pointers that holds records, one behind the
// other; or a single record, of more than maxSmall bytes when it was new, whose text is
// never overwritten, so that readers may copy a long one without the lock.
type segment struct {
	data   []byte
	end    uint16 // where the next record goes
	live   uint16 // bytes of the records before end that are not dead
	single bool
}

func (s *segment) room() int    { return len(s.data) - int(s.end) }
func (s *segment) garbage() int { return int(s.end - s.live) }

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

	// segmentCost is what a segment takes beside its data: a place in a list that may
	// have grown longer than it needs to be.
	segmentCost = 48
)

func refTo(number uint32, offset int) ref { return ref(number<<offsetBits | uint32(offset/unit)) }

// A log holds the records of a shard. Small ones are appended to the current segment.
// The space of dead ones is garbage until their segment is cleaned.
type log struct {
	segments []segment // by number; there is no number 0
	bound    *bound
	unused   []uint32 // numbers without a segment
	shared   []uint32 // numbers of the segments that are not single
	current  uint32   // the segment that is appended to; 0: none
	held     int      // bytes of the segments that are not single
	garbage  int      // bytes of dead records in them

	// moved is told of each record that cleaning has put elsewhere.
	moved func(r record, from, to ref)
}

func (l *log) at(r ref) record {
	return record(l.segments[r>>offsetBits].data[r&offsetMask*unit:])
}

// open adds a segment, whose data the bound has counted. It returns 0 if there is no
// number, or no room for what a segment takes beside its data.
func (l *log) open(s segment) (number uint32) {
	if len(l.unused) == 0 && len(l.segments) == maxSegments || !l.bound.take(segmentCost) {
		return 0
	}
	if n := len(l.unused); n > 0 {
		number, l.unused = l.unused[n-1], l.unused[:n-1]
		l.segments[number] = s
	} else {
		if len(l.segments) == 0 {
			l.segments = make([]segment, 1, 4)
		}
		number = uint32(len(l.segments))
		l.segments = append(l.segments, s)
	}
	if !s.single {
		l.held += len(s.data)
		l.shared = append(l.shared, number)
	}
	return number
}

// close gives a segment back.
func (l *log) close(number uint32) {
	s := &l.segments[number]
	if !s.single {
		l.held -= len(s.data)
		l.garbage -= s.garbage()
		last := len(l.shared) - 1
		l.shared[slices.Index(l.shared, number)] = l.shared[last]
		l.shared = l.shared[:last]
	}
	l.bound.give(cap(s.data) + segmentCost)
	*s = segment{}
	l.unused = append(l.unused, number)
	if number == l.current {
		l.current = 0
	}
	if len(l.unused) == len(l.segments)-1 {
		l.segments, l.unused, l.shared = nil, nil, nil // they don't give memory back by themselves
	}
}

// append makes room for a record of size bytes, at most maxSmall, and returns its
// place, or 0 if the bound allows no more. Other records may move.
func (l *log) append(size int) ref {
	if !l.fits(size) && !l.makeRoom(size) {
		return 0
	}
	s := &l.segments[l.current]
	at := refTo(l.current, int(s.end))
	s.end += uint16(size)
	s.live += uint16(size)
	return at
}

func (l *log) fits(size int) bool {
	return l.current != 0 && l.segments[l.current].room() >= size
}

// makeRoom has a current segment that size fits into: one that was cleaned, once a
// sixteenth of the log is garbage; a new one; or, at the bound, any that has the room.
func (l *log) makeRoom(size int) bool {
	for l.garbage > l.held/16 {
		l.clean(l.dirtiest())
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
	if most < size {
		return false
	}
	l.clean(roomiest)
	return l.fits(size) || l.grow(size)
}

// grow opens a segment, the larger the more the log holds, and makes it current. At the
// bound, it is as large as can be had.
func (l *log) grow(size int) bool {
	length := minSegment
	for length < size || length < maxSegment && length < l.held/4 {
		length *= 2
	}
	for !l.bound.take(length) {
		if length /= 2; length < size || length < minSegment {
			return false
		}
	}
	number := l.open(segment{data: make([]byte, length)})
	if number == 0 {
		l.bound.give(length)
		return false
	}
	l.current = number
	return true
}

// adopt opens a segment for a large record, which the bound has counted, and returns
// its place, or 0 as open does.
func (l *log) adopt(r record) ref {
	return refTo(l.open(segment{data: r, single: true}), 0)
}

// bury makes the record at r garbage.
func (l *log) bury(at ref) {
	number := uint32(at >> offsetBits)
	s := &l.segments[number]
	if s.single {
		l.close(number)
		return
	}
	r := l.at(at)
	r.bury()
	size := r.size()
	s.live -= uint16(size)
	l.garbage += size
	if s.live > 0 {
		return
	}
	if number != l.current || len(s.data) > max(keptEmpty, l.held/2) {
		l.close(number)
		return
	}
	l.garbage -= s.garbage()
	s.end = 0
}

// keptEmpty is how long a current segment without a record may be to be kept, in a log that
// holds little else: one that holds a lock now and then is not to be allocated each time.
const keptEmpty = 4 << 10

// overwrite writes a value over that of the record at r, if it is not longer than the
// space, and reports whether it did. Single records are not overwritten.
func (l *log) overwrite(r record, at ref, v value, size int) bool {
	s := &l.segments[at>>offsetBits]
	left := r.size() - size
	if s.single || left < 0 {
		return false
	}
	r.setValue(v)
	if left <= 2*unit {
		r.setSpare(left)
		return true
	}
	r.setSpare(0)
	r[size : size+left].fill()
	s.live -= uint16(left)
	l.garbage += left
	return true
}

// exchange puts a record that the bound has not counted into the place of a single one, if
// it takes no more memory. It is for the bound, which has no room for both.
func (l *log) exchange(at ref, r record) bool {
	s := &l.segments[at>>offsetBits]
	if !s.single || cap(r) > cap(s.data) {
		return false
	}
	copy(r, s.data[:keyAt]) // the deadline, and the neighbours on the wheel
	l.bound.give(cap(s.data) - cap(r))
	s.data = r
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

// clean moves the live records of a segment: into the current one as long as they
// fit, else together at the segment's own start. Then it is empty, and given back, or it
// is the current one. It needs no memory beside.
func (l *log) clean(number uint32) {
	s := &l.segments[number]
	l.garbage -= s.garbage()
	end := 0 // of the records that stay
	for offset, size := 0, 0; offset < int(s.end); offset += size {
		r := record(s.data[offset:])
		if size = r.size(); r.dead() {
			continue
		}
		from, to := refTo(number, offset), refTo(number, end)
		if number != l.current && l.fits(size) {
			c := &l.segments[l.current]
			to = refTo(l.current, int(c.end))
			c.end += uint16(size)
			c.live += uint16(size)
		} else {
			end += size
		}
		if from != to {
			copy(l.at(to), r[:size])
			l.moved(l.at(to), from, to)
		}
	}
	s.end, s.live = uint16(end), uint16(end)
	if end == 0 && number != l.current {
		l.close(number)
		return
	}
	l.current = number
}
