package memory

// A namespace is what is compared with a record to see that it is of that namespace. Since
// each lookup does it, the first 8 bytes are at hand as a number: most names are no
// longer. No record is so short that it has less than 8 bytes after its header.
type namespace struct {
	name       string // as it stands before a key: "a/b:"
	hash       uint64
	word, mask uint64 // its first 8 bytes, and which of them there are
}

func newNamespace(name string, hash uint64) namespace {
	n := namespace{name: name, hash: hash}
	var first, there [unit]byte
	copy(first[:], name)
	for i := range min(unit, len(name)) {
		there[i] = 0xff
	}
	n.word, n.mask = word.Uint64(first[:]), word.Uint64(there[:])
	return n
}
