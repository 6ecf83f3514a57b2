package memory

import (
	"encoding/binary"
	"unsafe"
)

// A namespace recognizes the records of one namespace. Every lookup compares a record with the
// namespace's name. The first 8 bytes of the name are therefore kept as an integer: most names are
// not longer.
type namespace struct {
	name                     string // the prefix of a physical key: "a/b:"
	hash                     uint64
	firstWord, firstWordMask uint64 // the first 8 bytes as in record.firstWord, and a mask for a shorter name
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

// mayMatch reports whether the length and the first bytes of r are right for key in n.
func (n *namespace) mayMatch(r *record, key string) bool {
	return r.keyBytes() == len(n.name)+len(key) && r.firstWord&n.firstWordMask == n.firstWord
}

// endsSuffice reports whether sameEnds compares the whole key. That holds for a key of 8 to 16
// bytes, as most keys are, in a namespace whose name has at most 8 bytes.
func (n *namespace) endsSuffice(key string) bool {
	return uint(len(key)-wordSize) <= wordSize && len(n.name) <= wordSize
}

// sameEnds reports whether the first and the last 8 bytes of key are stored at p. It calls no
// function that the compiler does not inline.
func sameEnds(there unsafe.Pointer, key string) bool {
	sought, last := unsafe.Pointer(unsafe.StringData(key)), len(key)-wordSize
	return wordAt(there, 0) == wordAt(sought, 0) && wordAt(there, last) == wordAt(sought, last)
}

// wordAt reads 8 bytes at an offset, which need not be a multiple of 8.
func wordAt(p unsafe.Pointer, offset int) uint64 {
	return binary.NativeEndian.Uint64((*[wordSize]byte)(unsafe.Add(p, offset))[:])
}
