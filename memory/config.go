package memory

import (
	"fmt"
	"log/slog"
	"time"
)

// Config configures a MemoryKV. The zero value works.
type Config struct {
	// GCInterval is the time between two sweeps of the collector, for example
	// 60 * time.Second. Zero means one minute. New returns an error if the interval is
	// negative or shorter than one millisecond.
	GCInterval time.Duration

	// MaxBytes bounds the memory that the store holds, in bytes: all that [Stats].Bytes
	// counts. A write that would take more, when nothing in the store has expired, is
	// ErrStoreOperationFailed around [ErrFull]; nothing is evicted. Writes that
	// need no more memory, and deletes, go on. Zero means unbounded; less than 64 KiB is
	// an error of New, as is a negative bound.
	MaxBytes int64

	// MaxValueBytes bounds the length of a value's JSON text, integers excepted. A longer
	// one is ErrInvalidValue. Zero means no bound but that of an entry, 1 GiB; a negative one is
	// an error of New.
	MaxValueBytes int

	// Logger gets one line at level Debug for each sweep that removed something.
	// Nil means none.
	Logger *slog.Logger
}

// minMaxBytes leaves room for something: what a MemoryKV is without entries is not counted.
const minMaxBytes = 64 << 10

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.GCInterval < 0:
		return c, fmt.Errorf("memory: Config.GCInterval must not be negative, got %v (zero means one minute)", c.GCInterval)
	case c.GCInterval > 0 && c.GCInterval < time.Millisecond:
		// A bare 60 is 60 ns: the collector would sweep all the time.
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
