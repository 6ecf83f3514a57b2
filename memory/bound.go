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

// A bound counts the memory that is held, and refuses more than the most. All parts of
// a store that grow ask it first.
type bound struct {
	most int64 // 0: unbounded
	held atomic.Int64
	full error // ErrFull, with a text for users
}

func (b *bound) init(most int64) {
	b.most = most
	text := fmt.Sprintf("there is no room for it within memory.Config.MaxBytes, %d", most)
	if most == 0 {
		text = "there are as many large values as the store can hold"
	}
	b.full = driver.Reason(ErrFull, text)
}

// take counts n bytes more, and reports false if that is too much.
func (b *bound) take(n int) bool {
	if b.most == 0 {
		b.held.Add(int64(n))
		return true
	}
	for {
		held := b.held.Load()
		if held+int64(n) > b.most {
			return false
		}
		if b.held.CompareAndSwap(held, held+int64(n)) {
			return true
		}
	}
}

func (b *bound) give(n int) { b.held.Add(-int64(n)) }
