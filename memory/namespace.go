package memory

import (
	"encoding/binary"
	"unsafe"
)

// A namespace is what is compared with a record to see that it is of that namespace. Since
// each lookup does it, the first 8 bytes are at hand as a number: most names are no
// longer.
type namespace struct {
	name       string // as it stands before a key: "a/b:"
	hash       uint64
	word, mask uint64 // its first 8 bytes as in record.start, and which of them there are
}

func newNamespace(name string, hash uint64) namespace {
	n := namespace{name: name, hash: hash}
	var first, there [unit]byte
	copy(first[:], name)
	for i := range min(unit, len(name)) {
		there[i] = 0xff
	}
	n.word, n.mask = binary.NativeEndian.Uint64(first[:]), binary.NativeEndian.Uint64(there[:])
	return n
}

// holds reports whether r is the record of key in n.
func (n *namespace) holds(r *record, key string) bool {
	return n.may(r, key) && string(r.bytes(header+len(n.name), len(key))) == key &&
		(len(n.name) <= unit || string(r.bytes(header, len(n.name))) == n.name)
}

// may reports whether r may be the record of key in n, by its length and its first bytes.
func (n *namespace) may(r *record, key string) bool {
	return r.keyBytes() == len(n.name)+len(key) && r.start&n.mask == n.word
}

// areShort reports whether sameEnds decides: for a key of 8 to 16 bytes, as most are, in a namespace of
// no more than 8.
func (n *namespace) areShort(key string) bool {
	return uint(len(key)-unit) <= unit && len(n.name) <= unit
}

// sameEnds reports whether the first and the last 8 bytes of key are there, without a call.
func sameEnds(there unsafe.Pointer, key string) bool {
	sought, last := unsafe.Pointer(unsafe.StringData(key)), len(key)-unit
	return wordAt(there, 0) == wordAt(sought, 0) && wordAt(there, last) == wordAt(sought, last)
}

// wordAt reads a word that need not lie on a multiple of its length.
func wordAt(p unsafe.Pointer, offset int) uint64 {
	return binary.NativeEndian.Uint64((*[unit]byte)(unsafe.Add(p, offset))[:])
}
