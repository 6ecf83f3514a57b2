package memory

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/zelt-go/kv/adaptor/driver"
)

// ErrFull is what errors.Is finds in the error of a write that was refused because
// the store would have grown beyond [Config.MaxBytes]. The write has surely not been
// applied, and nothing was dropped to make room for it.
var ErrFull = errors.New("memory: the store is full")

// A budget counts the memory that is held, and refuses more than the most. All parts of
// a store that grow ask it first.
type budget struct {
	limit   int64 // 0: unbounded
	used    atomic.Int64
	errFull error // ErrFull, with a text for users
}

func (b *budget) init(limit int64) {
	b.limit = limit
	text := fmt.Sprintf("there is no room for it within memory.Config.MaxBytes, %d", limit)
	if limit == 0 {
		text = "there are as many large values as the store can hold"
	}
	b.errFull = driver.Reason(ErrFull, text)
}

// reserve counts n bytes more, and reports false if that is too much.
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
