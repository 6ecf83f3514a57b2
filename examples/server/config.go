package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"time"

	"github.com/alecthomas/kong"

	"github.com/zelt-go/kv/adaptor/redis"
)

// Config is the configuration. A flag wins over its environment variable.
type Config struct {
	Addr string `env:"ADDR" default:"localhost:8080" help:"Address to listen on: host:port. \":8080\" means all interfaces, and port 0 any free port."`
	Name string `env:"NAME" help:"Name of this replica in locks and on the page (default: host name and process id)."`

	KVURL        string        `name:"kv-url" env:"KV_URL" help:"Redis or Valkey server that stores everything, such as redis://:password@host:6379. Empty: the memory of this process."`
	KVTimeout    time.Duration `name:"kv-timeout" env:"KV_TIMEOUT" default:"1s" help:"Longest time of an answer of Redis."`
	KVMaxMB      int64         `name:"kv-max-mb" env:"KV_MAX_MB" default:"64" help:"Largest size of the memory store, in MiB."`
	KVGCInterval time.Duration `name:"kv-gc-interval" env:"KV_GC_INTERVAL" default:"10s" help:"Time between two sweeps of the memory store."`

	RateLimit  int64         `env:"RATE_LIMIT" default:"20" help:"Requests that a client may make in a window. 0: any number."`
	RateWindow time.Duration `env:"RATE_WINDOW" default:"10s" help:"Length of a window."`
	RateBy     string        `env:"RATE_BY" default:"address" enum:"address,session" help:"What identifies a client: its address, or its session if it has one (address,session). A login always counts for the address and for the user."`
	RateFail   string        `env:"RATE_FAIL" default:"open" enum:"open,closed" help:"Requests while the store is down pass (open) or get the status 503 (closed)."`
	Forwarded  bool          `env:"FORWARDED" help:"The server is behind exactly one proxy, which adds the address of its client to X-Forwarded-For. The last entry counts, with or without a port. If it is not an address, the address of the proxy counts."`

	CacheTTL   time.Duration `name:"cache-ttl" env:"CACHE_TTL" default:"1m" help:"Time to live of a user in the cache."`
	SessionTTL time.Duration `name:"session-ttl" env:"SESSION_TTL" default:"30m" help:"Time to live of a session after its last use."`
	Secure     bool          `env:"SECURE" help:"Browsers send the session cookie over HTTPS only."`

	Jobs     []string      `env:"JOBS" default:"report,backup,cleanup" help:"Names of the jobs. Each job has one holder at a time."`
	JobTTL   time.Duration `name:"job-ttl" env:"JOB_TTL" default:"5s" help:"Longest time until the lock of a dead holder is free."`
	JobTakes time.Duration `env:"JOB_TAKES" default:"3s" help:"Time that a job takes, unless the request sets another time."`

	Pages []string `env:"PAGES" default:"home,docs,about" help:"Names of the pages whose hits are counted."`

	Drain time.Duration `env:"DRAIN" default:"500ms" help:"How long a stopping server still takes requests, while /healthz answers 503 and connections close after their next answer."`
	Grace time.Duration `env:"GRACE" default:"15s" help:"Longest time of stopping, including the drain. Jobs that still run after three quarters of it end early."`

	LogLevel  string `env:"LOG_LEVEL" default:"info" enum:"debug,info,warn,error" help:"Lowest level of the log. debug shows every request (debug,info,warn,error)."`
	LogFormat string `env:"LOG_FORMAT" default:"text" enum:"text,json" help:"Format of the log, on standard error (text,json)."`
}

// errHelped is the error of a call that asked for the help, which parse has printed.
var errHelped = errors.New("helped")

// parse reads flags and environment. The text of its errors is one line.
func parse(args []string, stdout io.Writer) (Config, error) {
	var c Config
	helped := false
	parser, err := kong.New(&c,
		kong.Name("server"),
		kong.Description("An HTTP service on injected stores. The environment variable beside a flag also sets it."),
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

// Validate implements the interface that kong calls after parsing.
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
			return fmt.Errorf("--kv-url (KV_URL): %w", err) // the error does not quote the URL
		}
	}
	if err := checkNames("--jobs", c.Jobs); err != nil {
		return err
	}
	return checkNames("--pages", c.Pages)
}

// nameForm is the form of a name that is part of a path.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,40}$`)

// checkNames returns an error for a list with an unusable or a repeated name. An empty list is valid.
func checkNames(flag string, names []string) error {
	for i, name := range names {
		switch {
		case !nameForm.MatchString(name):
			return fmt.Errorf("%s: a name has 1 to 40 letters, digits, - or _, got %q", flag, name)
		case slices.Contains(names[:i], name):
			return fmt.Errorf("%s has the name %q twice", flag, name)
		}
	}
	return nil
}
