package memory

import (
	"fmt"
	"log/slog"
	"time"
)

// Config configures a MemoryKV. The zero value works.
type Config struct {
	// GCInterval is the time between two sweeps of the collector. Zero means one
	// minute; a negative interval is an error of New.
	GCInterval time.Duration

	// Logger gets one line at level Debug for each sweep that removed something.
	// Nil means none.
	Logger *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.GCInterval < 0:
		return c, fmt.Errorf("memory: Config.GCInterval must not be negative, got %v (zero means one minute)", c.GCInterval)
	case c.GCInterval == 0:
		c.GCInterval = time.Minute
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}
