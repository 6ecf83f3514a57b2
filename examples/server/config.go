package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/alecthomas/kong"

	"github.com/zelt-go/kv/adaptor/redis"
)

// Config is what can be set, by flags, and by the environment where no flag is given.
type Config struct {
	Addr string `env:"ADDR" default:"localhost:8080" help:"Address to listen on: host:port. \":8080\" is all interfaces, port 0 any free one."`
	Name string `env:"NAME" help:"Name of this replica, as others see it (default: host name and process id)."`

	KVURL        string        `name:"kv-url" env:"KV_URL" help:"Redis or Valkey to keep everything on, such as redis://:password@host:6379. Empty: the memory of this process."`
	KVTimeout    time.Duration `name:"kv-timeout" env:"KV_TIMEOUT" default:"1s" help:"How long Redis may take to answer."`
	KVMaxMB      int64         `name:"kv-max-mb" env:"KV_MAX_MB" default:"64" help:"Bound of the memory store, in MiB."`
	KVGCInterval time.Duration `name:"kv-gc-interval" env:"KV_GC_INTERVAL" default:"10s" help:"Time between two sweeps of the memory store."`

	RateLimit  int64         `env:"RATE_LIMIT" default:"20" help:"Requests that a client may make in a window; 0: any number."`
	RateWindow time.Duration `env:"RATE_WINDOW" default:"10s" help:"How long a window lasts."`
	RateBy     string        `env:"RATE_BY" default:"address" enum:"address,session" help:"What a client is: its address, or its session if it has one (address,session)."`
	RateFail   string        `env:"RATE_FAIL" default:"open" enum:"open,closed" help:"What becomes of requests while the store is down: they pass, or are answered with 503 (open,closed)."`
	Forwarded  bool          `env:"FORWARDED" help:"The address of a client is the last one in X-Forwarded-For: for a server behind exactly one proxy, which sets it."`

	CacheTTL   time.Duration `name:"cache-ttl" env:"CACHE_TTL" default:"1m" help:"How long a user stays in the cache."`
	SessionTTL time.Duration `name:"session-ttl" env:"SESSION_TTL" default:"30m" help:"How long a session lives after it was last used."`
	Secure     bool          `env:"SECURE" help:"The session cookie is for HTTPS alone."`

	Jobs     []string      `env:"JOBS" default:"report,backup,cleanup" help:"Names of the jobs, of which each has one holder at a time."`
	JobTTL   time.Duration `name:"job-ttl" env:"JOB_TTL" default:"5s" help:"How long the lock of a job outlives a holder that died."`
	JobTakes time.Duration `env:"JOB_TAKES" default:"3s" help:"How long a job takes unless the request says otherwise."`

	Drain time.Duration `env:"DRAIN" default:"500ms" help:"How long a server that is to stop still takes requests, while /healthz says 503 and connections are closed after their next answer."`
	Grace time.Duration `env:"GRACE" default:"15s" help:"How long stopping may take, the drain included."`

	LogLevel  string `env:"LOG_LEVEL" default:"info" enum:"debug,info,warn,error" help:"Least level that is logged; debug has every request (debug,info,warn,error)."`
	LogFormat string `env:"LOG_FORMAT" default:"text" enum:"text,json" help:"Format of the log, on standard error (text,json)."`
}

// errHelped says that the help was asked for, and printed.
var errHelped = errors.New("helped")

// parse reads flags and environment. Its errors are one line each.
func parse(args []string, stdout io.Writer) (Config, error) {
	var c Config
	helped := false
	parser, err := kong.New(&c,
		kong.Name("server"),
		kong.Description("An HTTP service on injected stores. Each flag can also be set by the environment variable beside it."),
		kong.Writers(stdout, io.Discard),
		kong.Exit(func(int) { helped = true }),
	)
	if err != nil {
		return c, err
	}
	_, err = parser.Parse(args)
	if helped {
		return c, errHelped
	}
	if err == nil && c.Name == "" {
		host, _ := os.Hostname()
		c.Name = fmt.Sprintf("%s-%d", host, os.Getpid())
	}
	return c, err
}

// Validate is called by kong.
func (c *Config) Validate() error {
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{
		{"--kv-timeout", c.KVTimeout}, {"--kv-gc-interval", c.KVGCInterval}, {"--rate-window", c.RateWindow},
		{"--cache-ttl", c.CacheTTL}, {"--session-ttl", c.SessionTTL}, {"--job-ttl", c.JobTTL}, {"--grace", c.Grace},
	} {
		if d.value <= 0 {
			return fmt.Errorf("%s must be positive, got %s", d.flag, d.value)
		}
	}
	switch {
	case c.RateLimit < 0:
		return fmt.Errorf("--rate-limit must not be negative, got %d", c.RateLimit)
	case c.KVMaxMB < 1 || c.KVMaxMB > 1<<20:
		return fmt.Errorf("--kv-max-mb must be from 1 to %d, got %d", 1<<20, c.KVMaxMB)
	case c.JobTakes < 0 || c.JobTakes > maxTakes:
		return fmt.Errorf("--job-takes must be from 0 to %s, got %s", maxTakes, c.JobTakes)
	case c.Drain < 0 || c.Drain >= c.Grace:
		return fmt.Errorf("--drain must not be negative, and less than --grace (%s), got %s", c.Grace, c.Drain)
	}
	if c.KVURL != "" {
		if _, err := redis.New(redis.Config{URL: c.KVURL}); err != nil {
			return fmt.Errorf("--kv-url (KV_URL): %w", err) // quotes nothing of it
		}
	}
	for _, name := range c.Jobs {
		if name == "" {
			return errors.New("--jobs must not have an empty name")
		}
	}
	return nil
}
