package memory

import (
	"bytes"
	"strconv"
	"sync/atomic"
	"unsafe"

	"github.com/zelt-go/kv/adaptor/driver"
)

// A record is one entry in memory without pointers. It consists of this header, the physical key as
// [driver.Key] writes it, and the value. Padding of 0 to 7 bytes makes the length a multiple of 8.
// Up to two more words may be unused, if a longer value was stored before.
//
// Once a record is in the log, its key never changes and its memory is never used for anything
// else. Go's collector frees the memory when no reader has a pointer to it. Other parts change only
// under the lock of the shard. The deadline, an integer value and the lengths are stored
// atomically, so that readers need no lock. A text changes only until it is sealed; see kind.
type record struct {
	deadline  int64 // on the clock of MemoryKV.now; 0 means that the entry never expires
	next      ref   // neighbors in the wheel's list, if the record has a deadline; guarded by the lock
	prev      ref
	keyLen    uint32 // also, in the high bits, the number of unused words
	valueLen  uint32 // also, in the high bits, the kind
	firstWord uint64 // the first 8 bytes after the header; no record is shorter
}

const (
	wordSize   = 8
	headerSize = int(unsafe.Offsetof(record{}.firstWord))

	lengthMask = 1<<30 - 1 // the bits of keyLen and valueLen that are the length
	spareWord  = 1 << 30   // in keyLen: one unused word, of at most two

	// dead, as the value of prev, marks a record that is no longer an entry. Its size remains
	// valid.
	dead ref = 1<<32 - 1

	// maxRecord is the length of the longest record, in bytes.
	maxRecord = lengthMask
)

// A kind says how a value may be read. A text that is often written is overwritten in place and
// read under the lock. A text that is read twice between two writes is sealed. From then on,
// readers need no lock, and the next write makes a new record.
type kind uint32

const (
	unread   kind = iota << 30 // a text that was not read since the last write
	readOnce                   // a text that was read once since the last write
	sealed                     // a text that never changes
	integer                    // an int64, at an offset that is a multiple of 8
	kindMask = sealed | readOnce
)

func roundUp(n int) int { return (n + wordSize - 1) &^ (wordSize - 1) }

// recordSize returns the size of a record in bytes. key is the length of the physical key.
func recordSize(key int, v value) int {
	if v.text == nil {
		return headerSize + roundUp(key) + wordSize
	}
	return textRecordSize(key, len(v.text))
}

// textRecordSize returns the size of a record with a text of n bytes. An empty text also gets a
// byte, so that its address is inside the record.
func textRecordSize(key, n int) int { return roundUp(textOffset(key) + max(n, 1)) }

// textOffset returns the offset of the text. It begins after the key, but not before the end of
// firstWord, which readers load as a part of the key.
func textOffset(key int) int { return headerSize + max(key, wordSize) }

// write fills in r, which no reader can see yet. The record has no deadline.
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

// overwrite writes v over the value of r, and reports whether it did. A sealed value cannot be
// overwritten. Both values must be of the same kind, and v must need as much memory as the old
// value, or at most two words less.
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

// bytes returns n bytes of r's memory. Unlike a slice expression, it has no bounds check.
func (r *record) bytes(from, n int) []byte {
	return unsafe.Slice((*byte)(r.at(from)), n)
}

func (r *record) at(offset int) unsafe.Pointer { return unsafe.Add(unsafe.Pointer(r), offset) }

func (r *record) keyBytes() int { return int(atomic.LoadUint32(&r.keyLen) & lengthMask) }
func (r *record) key() []byte   { return r.bytes(headerSize, r.keyBytes()) }
func (r *record) kind() kind    { return kind(atomic.LoadUint32(&r.valueLen)) & kindMask }

// text returns the value if that is not an integer. The bytes belong to the record.
func (r *record) text() []byte {
	n := int(r.valueLen & lengthMask)
	return r.bytes(textOffset(r.keyBytes()), n)[:n:n]
}

// number returns the address of an integer value.
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

// wasRead records that the value was read under the lock.
func (r *record) wasRead() {
	if k := r.kind(); k < sealed {
		atomic.StoreUint32(&r.valueLen, r.valueLen&lengthMask|uint32(k+readOnce))
	}
}

// expired reports whether r has expired. It reads the clock only if r has a deadline.
func (r *record) expired(c *clock) bool {
	d := atomic.LoadInt64(&r.deadline)
	return d != 0 && d <= c.now()
}

// value returns the value of r. A caller without the lock may call it only if the value is an
// integer or a sealed text. The text belongs to the record.
func (r *record) value() value {
	if r.kind() == integer {
		return value{n: atomic.LoadInt64(r.number())}
	}
	return value{text: r.text()}
}

// valueBeyondLock returns the value in a form that no later write changes. A short text that is not sealed
// is copied to buffer, and a longer one to new memory.
func (r *record) valueBeyondLock(buffer []byte) value {
	v := r.value()
	switch {
	case r.kind() >= sealed:
	case len(v.text) <= len(buffer):
		v.text = buffer[:copy(buffer, v.text)]
	default:
		v.text = bytes.Clone(v.text)
	}
	return v
}

// add adds by to a counter and returns the sum. It returns an error, and changes nothing, if the
// value is not an integer or the sum overflows an int64.
func (r *record) add(by int64) (sum int64, err error) {
	if r.kind() != integer {
		return driver.Add(r.text(), by)
	}
	if sum, err = driver.Sum(*r.number(), by); err == nil {
		r.setNumber(sum)
	}
	return sum, err
}

// A value is a JSON text. The plain decimal text of an int64 is stored as an int64, and its text is
// nil. Counters therefore need no parsing, and each text has exactly one representation.
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

// copy returns the JSON text in newly allocated memory.
func (v value) copy() []byte {
	if v.text == nil {
		return strconv.AppendInt(nil, v.n, 10)
	}
	return bytes.Clone(v.text)
}
