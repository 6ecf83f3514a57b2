package memory

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/zelt-go/kv/adaptor/driver"
)

// ErrFull is the cause of an error that a write returns if the store would grow beyond
// [Config.MaxBytes]; test for it with [errors.Is]. The write was not applied, and no other entry
// was removed in its favor.
var ErrFull = errors.New("memory: the store is full")

// A budget counts the memory of the store, in bytes, and enforces Config.MaxBytes. Every part that
// grows reserves memory in the budget before it allocates.
type budget struct {
	limit   int64 // 0 means no limit
	used    atomic.Int64
	errFull error // ErrFull, with a text for users
}

func (b *budget) init(limit int64) {
	b.limit = limit
	text := fmt.Sprintf("the write needs more memory than memory.Config.MaxBytes allows (%d bytes)", limit)
	if limit == 0 {
		text = "the store cannot hold more large values"
	}
	b.errFull = driver.Reason(ErrFull, text)
}

// reserve reserves n bytes. It returns false, and reserves nothing, if the limit does not allow
// that.
func (b *budget) reserve(n int) bool {
	if b.limit == 0 {
		b.used.Add(int64(n))
		return true
	}
	for {
		used := b.used.Load()
		if used+int64(n) > b.limit {
			return false
		}
		if b.used.CompareAndSwap(used, used+int64(n)) {
			return true
		}
	}
}

func (b *budget) release(n int) { b.used.Add(-int64(n)) }
