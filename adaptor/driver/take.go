package driver

import (
	"context"
	"time"
)

// Taker is what an [AtomicStore] may have to take a value out in the same step that
// removes or replaces it. Without it the front reads, and compares and swaps what it has read, until
// nobody was in between: as exact, in more round trips.
type Taker interface {
	// GetDel removes key, and returns the value that it had, as Get does.
	GetDel(ctx context.Context, key string) (value []byte, found bool, err error)

	// Swap stores value at key as Set does, and returns the value that was there before, as
	// Get does. ttl may be KeepTTL. The backend owns value, the caller owns old.
	Swap(ctx context.Context, key string, value []byte, ttl time.Duration) (old []byte, found bool, err error)
}
