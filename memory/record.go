package memory

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"github.com/zelt-go/kv/adaptor/driver"
)

// A record is one entry as bytes, from its start to the end of its segment:
//
//	deadline 8 │ next 4 │ prev 4 │ key length 4 │ value length and flags 4 │ key │ value
//
// with 0 to 7 bytes behind it for a multiple of 8, and up to two units of 8 more that a
// longer value has left. deadline is in MemoryKV.now's time, 0 if the entry never
// expires. next and prev are its neighbours on the wheel, if it has a deadline. The key
// is the physical key, namespace and all, as [driver.Key] writes it.
type record []byte

const (
	nextAt  = 8
	prevAt  = 12
	keyAt   = 16
	valueAt = 20
	header  = 24

	// Flags above the lengths.
	dead    = 1 << 31 // of the value: removed; its size still leads to the next record
	integer = 1 << 30 // of the value: an int64 of 8 bytes, not text
	spare   = 1 << 30 // of the key: a unit more; 0 to 2 of them
	lengths = 1<<30 - 1

	// maxRecord is the longest key and value together: what the lengths can count.
	maxRecord = lengths - header - unit
	unit      = 8
)

var word = binary.LittleEndian

// recordSize is how many bytes a record takes.
func recordSize(key, value int) int { return (header + key + value + unit - 1) &^ (unit - 1) }

// writeRecord writes key and value of a record into r, which is long enough.
func writeRecord(r record, namespace, key string, v value) {
	r.setKeyField(uint32(len(namespace) + len(key)))
	n := header + copy(r[header:], namespace)
	copy(r[n:], key)
	r.setValue(v)
}

// head is the part of fixed length: fields are read through it without more checks.
func (r record) head() *[header]byte { return (*[header]byte)(r) }

func (r record) deadline() int64     { return int64(word.Uint64(r.head()[:nextAt])) }
func (r record) setDeadline(d int64) { word.PutUint64(r.head()[:nextAt], uint64(d)) }
func (r record) next() ref           { return ref(word.Uint32(r.head()[nextAt:prevAt])) }
func (r record) setNext(n ref)       { word.PutUint32(r.head()[nextAt:prevAt], uint32(n)) }
func (r record) prev() ref           { return ref(word.Uint32(r.head()[prevAt:keyAt])) }
func (r record) setPrev(p ref)       { word.PutUint32(r.head()[prevAt:keyAt], uint32(p)) }

func (r record) keyField() uint32     { return word.Uint32(r.head()[keyAt:valueAt]) }
func (r record) setKeyField(f uint32) { word.PutUint32(r.head()[keyAt:valueAt], f) }
func (r record) valueField() uint32   { return word.Uint32(r.head()[valueAt:header]) }
func (r record) setValueField(f uint32) {
	word.PutUint32(r.head()[valueAt:header], f)
}

func (r record) keyLen() int   { return int(r.keyField() & lengths) }
func (r record) valueLen() int { return int(r.valueField() & lengths) }
func (r record) spare() int    { return int(r.keyField()/spare) * unit }
func (r record) size() int     { return recordSize(r.keyLen(), r.valueLen()) + r.spare() }
func (r record) dead() bool    { return r.valueField()&dead != 0 }
func (r record) bury()         { r.setValueField(r.valueField() | dead) }

// setSpare notes how many bytes follow that are not needed: 0, 8 or 16.
func (r record) setSpare(bytes int) {
	r.setKeyField(uint32(r.keyLen()) | uint32(bytes/unit)*spare)
}

// fill makes a dead record of all of r, which has room for a header at least.
func (r record) fill() {
	r.setKeyField(uint32(len(r) - header))
	r.setValueField(dead)
}

func (r record) key() []byte { return r[header : header+r.keyLen()] }

// expired reports whether r is absent. It reads the clock only if r has a deadline.
func (r record) expired(c *clock) bool {
	d := r.deadline()
	return d != 0 && d <= c.now()
}

// is reports whether r is the record of key in n.
func (r record) is(n *namespace, key string) bool {
	at, end := header+len(n.name), header+len(n.name)+len(key)
	return header+r.keyLen() == end && word.Uint64(r[header:header+unit])&n.mask == n.word &&
		string(r[at:end]) == key && (len(n.name) <= unit || string(r[header+unit:at]) == n.name[unit:])
}

func (r record) value() value {
	n := header + r.keyLen()
	meta := r.valueField()
	if meta&integer != 0 {
		return value{n: int64(word.Uint64(r[n:]))}
	}
	return value{text: r[n : n+int(meta&lengths) : n+int(meta&lengths)]}
}

// setValue writes v; the record is long enough.
func (r record) setValue(v value) {
	n := header + r.keyLen()
	if v.text == nil {
		r.setValueField(unit | integer)
		word.PutUint64(r[n:], uint64(v.n))
		return
	}
	r.setValueField(uint32(copy(r[n:], v.text)))
}

// add adds by to a counter. The error, after which nothing has changed, says why it is none,
// or that the sum is none.
func (r record) add(by int64) (sum int64, err error) {
	v := r.value()
	if v.text != nil {
		return driver.Add(v.text, by)
	}
	if sum, err = driver.Sum(v.n, by); err == nil {
		r.setValue(value{n: sum})
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
		return unit
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
