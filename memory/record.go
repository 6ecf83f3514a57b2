package memory

import (
	"bytes"
	"strconv"
	"sync/atomic"
	"unsafe"

	"github.com/zelt-go/kv/adaptor/driver"
)

// A record is one entry in memory without pointers: this header, then the physical key,
// namespace and all, as [driver.Key] writes it, then the value, and 0 to 7 bytes for a multiple of 8,
// and up to two units of 8 more that a longer value has left.
//
// Once others may see it, its key never changes, and its memory is never used for anything
// else: Go's collector frees it when nobody looks at it any more. What does change is
// written with the lock: the deadline, the value of an integer and the lengths by atomic stores, so
// that they can be read without it; a text only until it is sealed (see kind).
type record struct {
	deadline  int64 // in MemoryKV.now's time; 0: the entry never expires
	next      ref   // the neighbours on the wheel, if it has a deadline: only with the lock
	prev      ref
	keyLen    uint32 // and, above, how many units are left over
	valueLen  uint32 // and, above, the kind
	firstWord uint64 // the first 8 bytes after the header: no record is shorter
}

const (
	wordSize   = 8
	headerSize = int(unsafe.Offsetof(record{}.firstWord))

	lengthMask = 1<<30 - 1 // what is a length, of keyLen and valueLen
	spareWord  = 1 << 30   // of keyLen: a unit more; 0 to 2 of them

	// dead, as prev, marks a record that is no entry any more. Its size still leads to the next one.
	dead ref = 1<<32 - 1

	// maxRecord is the longest record.
	maxRecord = lengthMask
)

// A kind is what a value is. A text that is written again and again is written in place, and read
// with the lock. One that is read twice in between is sealed: from then on it is read without
// the lock, and the next write makes a new record.
type kind uint32

const (
	unread   kind = iota << 30 // a text that nobody has read since it was written
	readOnce                   // a text
	sealed                     // a text that never changes
	integer                    // an int64, on a multiple of 8
	kindMask = sealed | readOnce
)

func roundUp(n int) int { return (n + wordSize - 1) &^ (wordSize - 1) }

// recordSize is how many bytes a record takes.
func recordSize(key int, v value) int {
	if v.text == nil {
		return headerSize + roundUp(key) + wordSize
	}
	return textRecordSize(key, len(v.text))
}

// textRecordSize is the size of a record with a text of n bytes: one that has none lies inside it, too.
func textRecordSize(key, n int) int { return roundUp(textOffset(key) + max(n, 1)) }

// textOffset is where a text begins: where the key ends, but not among the first 8 bytes, which are
// read as a part of the key.
func textOffset(key int) int { return headerSize + max(key, wordSize) }

// write makes r, which nobody else sees yet, a record that never expires.
func (r *record) write(namespace, key string, v value, k kind) {
	r.deadline, r.next, r.prev = 0, 0, 0
	r.keyLen = uint32(len(namespace) + len(key))
	n := copy(r.bytes(headerSize, int(r.keyLen)), namespace)
	copy(r.bytes(headerSize+n, len(key)), key)
	if v.text == nil {
		r.valueLen = wordSize | uint32(integer)
		*r.number() = v.n
		return
	}
	r.valueLen = uint32(len(v.text)) | uint32(k)
	copy(r.text(), v.text)
}

// overwrite writes a value over r's own, if it is of the same kind, not sealed, and takes as
// much memory or up to two units less, and reports whether it did.
func (r *record) overwrite(v value) bool {
	if v.text == nil || r.kind() == integer {
		if v.text != nil || r.kind() != integer {
			return false
		}
		r.setNumber(v.n)
		return true
	}
	left := r.size() - recordSize(r.keyBytes(), v)
	if r.kind() == sealed || left < 0 || left > 2*wordSize {
		return false
	}
	atomic.StoreUint32(&r.keyLen, uint32(r.keyBytes()+left/wordSize*spareWord))
	atomic.StoreUint32(&r.valueLen, uint32(len(v.text))|uint32(unread))
	copy(r.text(), v.text)
	return true
}

// bytes is a part of r's memory. The compiler's checks of a slice's bounds are what reading in
// this way saves.
func (r *record) bytes(from, n int) []byte {
	return unsafe.Slice((*byte)(r.at(from)), n)
}

func (r *record) at(offset int) unsafe.Pointer { return unsafe.Add(unsafe.Pointer(r), offset) }

func (r *record) keyBytes() int { return int(atomic.LoadUint32(&r.keyLen) & lengthMask) }
func (r *record) key() []byte   { return r.bytes(headerSize, r.keyBytes()) }
func (r *record) kind() kind    { return kind(atomic.LoadUint32(&r.valueLen)) & kindMask }

// text is the value unless that is an integer.
func (r *record) text() []byte {
	n := int(r.valueLen & lengthMask)
	return r.bytes(textOffset(r.keyBytes()), n)[:n:n]
}

// number is where an integer is kept.
func (r *record) number() *int64 {
	return (*int64)(r.at(headerSize + roundUp(r.keyBytes())))
}

func (r *record) size() int {
	if r.kind() == integer {
		return headerSize + roundUp(r.keyBytes()) + wordSize
	}
	return textRecordSize(r.keyBytes(), int(r.valueLen&lengthMask)) + int(r.keyLen/spareWord)*wordSize
}

func (r *record) setDeadline(d int64) { atomic.StoreInt64(&r.deadline, d) }
func (r *record) setNumber(n int64)   { atomic.StoreInt64(r.number(), n) }
func (r *record) isDead() bool        { return r.prev == dead }

// wasRead notes that the value of r was read with the lock.
func (r *record) wasRead() {
	if k := r.kind(); k < sealed {
		atomic.StoreUint32(&r.valueLen, r.valueLen&lengthMask|uint32(k+readOnce))
	}
}

// expired reports whether r is absent. It reads the clock only if r has a deadline.
func (r *record) expired(c *clock) bool {
	d := atomic.LoadInt64(&r.deadline)
	return d != 0 && d <= c.now()
}

// value is r's value. Without the lock, it may be asked only of an integer and of a sealed text; the
// text is the record's own.
func (r *record) value() value {
	if r.kind() == integer {
		return value{n: atomic.LoadInt64(r.number())}
	}
	return value{text: r.text()}
}

// add adds by to a counter. The error, after which nothing has changed, says why it is none,
// or that the sum is none.
func (r *record) add(by int64) (sum int64, err error) {
	if r.kind() != integer {
		return driver.Add(r.text(), by)
	}
	if sum, err = driver.Sum(*r.number(), by); err == nil {
		r.setNumber(sum)
	}
	return sum, err
}

// A value is JSON text. One that is the plain decimal text of an int64 is kept as the
// int64, and its text is nil: so counters count without parsing, and each text has one
// form only.
type value struct {
	text []byte
	n    int64
}

func newValue(text []byte) value {
	if n, ok := driver.Integer(text); ok {
		return value{n: n}
	}
	if text == nil {
		text = []byte{}
	}
	return value{text: text}
}

func (v value) len() int {
	if v.text == nil {
		return wordSize
	}
	return len(v.text)
}

func (v value) equal(w value) bool {
	return (v.text == nil) == (w.text == nil) && v.n == w.n && bytes.Equal(v.text, w.text)
}

// copy returns the JSON text in memory of its own.
func (v value) copy() []byte {
	if v.text == nil {
		return strconv.AppendInt(nil, v.n, 10)
	}
	return bytes.Clone(v.text)
}
