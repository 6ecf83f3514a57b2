package memory

import (
	"fmt"
	"log/slog"
	"time"
)

// Config configures a MemoryKV. The zero value works: a sweep every minute, no limits, no log.
type Config struct {
	// GCInterval is the time between two sweeps of the collector, for example
	// 60 * time.Second. Zero means one minute. New returns an error if the interval is
	// negative or shorter than one millisecond.
	GCInterval time.Duration

	// MaxBytes limits the memory of the entries and their index, in bytes, as reported by
	// [Stats].Bytes. A write that needs more memory first reclaims expired entries and garbage. If
	// that is not enough, the write returns [adaptor.ErrStoreOperationFailed], wrapping [ErrFull].
	// Nothing is evicted. Deletes, and writes that need no more memory, still succeed.
	//
	// Zero means no limit. New returns an error if MaxBytes is negative, or between 1 and 65,535.
	//
	// A cache in a store that is full of unexpired entries stops caching: every read loads again.
	// See [adaptor.Typed.GetOrLoad] for remedies.
	MaxBytes int64

	// MaxValueBytes limits the length of a value's JSON text, in bytes. Integers are exempt. A
	// write of a longer text returns [adaptor.ErrInvalidValue]. Zero means that only the limit of 1
	// GiB for namespace, key and value together applies. New returns an error if MaxValueBytes is
	// negative.
	MaxValueBytes int

	// Logger receives one line at level Debug for each sweep that removed entries. Nil means no
	// log.
	Logger *slog.Logger
}

// minMaxBytes is the smallest limit, in bytes, that leaves room for entries. The memory of an empty
// MemoryKV is not counted.
const minMaxBytes = 64 << 10

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.GCInterval < 0:
		return c, fmt.Errorf("memory: Config.GCInterval must not be negative, got %v (zero means one minute)", c.GCInterval)
	case c.GCInterval > 0 && c.GCInterval < time.Millisecond:
		// A bare 60 is 60 ns, and the collector would sweep without a pause.
		return c, fmt.Errorf("memory: Config.GCInterval must be at least 1ms, got %v: a duration needs a unit, such as 60 * time.Second", c.GCInterval)
	case c.MaxBytes < 0 || c.MaxBytes > 0 && c.MaxBytes < minMaxBytes:
		return c, fmt.Errorf("memory: Config.MaxBytes must be at least %d, got %d (zero means unbounded)", minMaxBytes, c.MaxBytes)
	case c.MaxValueBytes < 0:
		return c, fmt.Errorf("memory: Config.MaxValueBytes must not be negative, got %d (zero means unbounded)", c.MaxValueBytes)
	}
	if c.GCInterval == 0 {
		c.GCInterval = time.Minute
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// allows reports whether MaxValueBytes permits the JSON text of a value. An integer has no text.
func (c *Config) allows(text []byte) bool {
	return c.MaxValueBytes == 0 || len(text) <= c.MaxValueBytes
}
