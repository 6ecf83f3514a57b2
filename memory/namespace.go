package memory

import (
	"encoding/binary"
	"unsafe"
)

// A namespace is what is compared with a record to see that it is of that namespace. Since
// each lookup does it, the first 8 bytes are at hand as a number: most names are no
// longer.
type namespace struct {
	name                     string // as it stands before a key: "a/b:"
	hash                     uint64
	firstWord, firstWordMask uint64 // its first 8 bytes as in record.start, and which of them there are
}

func newNamespace(name string, hash uint64) namespace {
	n := namespace{name: name, hash: hash}
	var first, there [wordSize]byte
	copy(first[:], name)
	for i := range min(wordSize, len(name)) {
		there[i] = 0xff
	}
	n.firstWord, n.firstWordMask = binary.NativeEndian.Uint64(first[:]), binary.NativeEndian.Uint64(there[:])
	return n
}

// matches reports whether r is the record of key in n.
func (n *namespace) matches(r *record, key string) bool {
	return n.mayMatch(r, key) && string(r.bytes(headerSize+len(n.name), len(key))) == key &&
		(len(n.name) <= wordSize || string(r.bytes(headerSize, len(n.name))) == n.name)
}

// mayMatch reports whether r may be the record of key in n, by its length and its first bytes.
func (n *namespace) mayMatch(r *record, key string) bool {
	return r.keyBytes() == len(n.name)+len(key) && r.firstWord&n.firstWordMask == n.firstWord
}

// endsSuffice reports whether sameEnds decides: for a key of 8 to 16 bytes, as most are, in a namespace of
// no more than 8.
func (n *namespace) endsSuffice(key string) bool {
	return uint(len(key)-wordSize) <= wordSize && len(n.name) <= wordSize
}

// sameEnds reports whether the first and the last 8 bytes of key are there, without a call.
func sameEnds(there unsafe.Pointer, key string) bool {
	sought, last := unsafe.Pointer(unsafe.StringData(key)), len(key)-wordSize
	return wordAt(there, 0) == wordAt(sought, 0) && wordAt(there, last) == wordAt(sought, last)
}

// wordAt reads a word that need not lie on a multiple of its length.
func wordAt(p unsafe.Pointer, offset int) uint64 {
	return binary.NativeEndian.Uint64((*[wordSize]byte)(unsafe.Add(p, offset))[:])
}
