package redis

import (
	"crypto/tls"
	"errors"
	"fmt"
	"math/bits"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// Config says which server to use, and how. Its zero value is good for development.
type Config struct {
	// URL is redis://[user[:password]@]host[:port][/database], rediss://… for TLS, or
	// unix://[user[:password]@]/path/to/socket[?db=database]. What is special in a URL is
	// percent-encoded in a password. Empty means the environment variable REDIS_URL, and if
	// that is empty, redis://localhost:6379.
	URL string

	// Username and Password, of the server's ACL, go before those of the URL. With a
	// password alone the user is "default".
	Username string
	Password string

	// Timeout is how long an operation may take whose context has no deadline. Zero
	// means 2 s.
	Timeout time.Duration

	// Pipeline is how many operations may wait for an answer at a time; others wait until one
	// is answered, or their context ends. It is rounded up to a power of two, and takes about
	// 350 bytes for each. Zero means 1024; less than 256 is an error of New.
	Pipeline int

	// Buffer is how many bytes a connection buffers, once for reading and once for writing.
	// Longer values pass through in pieces. Zero means 64 KiB; less than 4 KiB is an error
	// of New.
	Buffer int
}

const (
	defaultURL      = "redis://localhost:6379"
	defaultTimeout  = 2 * time.Second
	defaultPipeline = 1024
	defaultBuffer   = 64 << 10
	leastPipeline   = 256
	leastBuffer     = 4 << 10
)

// withDefaults fills in what is zero, and refuses what can't be.
func (c Config) withDefaults() (Config, error) {
	for _, f := range []struct {
		name           string
		value          *int
		least, instead int
	}{
		{"Pipeline", &c.Pipeline, leastPipeline, defaultPipeline},
		{"Buffer", &c.Buffer, leastBuffer, defaultBuffer},
	} {
		if *f.value == 0 {
			*f.value = f.instead
		}
		if *f.value < f.least {
			return c, fmt.Errorf("redis: Config.%s must be at least %d, or 0 for %d; got %d", f.name, f.least, f.instead, *f.value)
		}
	}
	if c.Pipeline > 1<<20 {
		return c, fmt.Errorf("redis: Config.Pipeline must be at most %d, got %d", 1<<20, c.Pipeline)
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Timeout < 0 {
		return c, fmt.Errorf("redis: Config.Timeout must not be negative, got %s", c.Timeout)
	}
	if c.Username != "" && c.Password == "" {
		return c, errors.New("redis: Config.Username needs Config.Password")
	}
	return c, nil
}

// pipelineScale is the Pipeline as a power of two.
func (c Config) pipelineScale() int { return bits.Len(uint(c.Pipeline - 1)) }

// server is where a URL leads.
type server struct {
	network  string // for net.Dial
	address  string
	tls      *tls.Config // nil: without
	username string
	password string
	database int
}

// server reads the URL. Its errors quote nothing of it: any part of a URL with a mistake may
// be a part of the password.
func (c Config) server() (server, error) {
	text, source := c.URL, "Config.URL"
	if text == "" {
		text, source = os.Getenv("REDIS_URL"), "the environment variable REDIS_URL"
	}
	if text == "" {
		text = defaultURL
	}
	bad := func(what string) (server, error) {
		return server{}, fmt.Errorf("redis: %s %s; it should be like redis://user:password@host:6379/0, rediss://host (TLS), or unix:///path/to/socket", source, what)
	}
	u, err := url.Parse(text)
	if err != nil {
		return bad("is not a URL (what is special in a URL must be percent-encoded in a password)")
	}
	s := server{network: "tcp", username: u.User.Username()}
	s.password, _ = u.User.Password()
	if c.Password != "" {
		s.username, s.password = c.Username, c.Password
	}
	if s.username != "" && s.password == "" {
		return bad("has a user without a password (a password alone is written redis://:password@host)")
	}
	database := strings.TrimPrefix(u.Path, "/")
	switch u.Scheme {
	case "redis", "rediss":
		port := u.Port()
		if port == "" {
			port = "6379"
		}
		if u.Hostname() == "" {
			return bad("has no host")
		}
		s.address = net.JoinHostPort(u.Hostname(), port)
		if u.Scheme == "rediss" {
			s.tls = &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
		}
	case "unix":
		if u.Host != "" || u.Path == "" {
			return bad("has no absolute path of a socket")
		}
		s.network, s.address = "unix", u.Path
		database = u.Query().Get("db")
	default:
		return bad("has another scheme than redis, rediss and unix")
	}
	for name := range u.Query() {
		if name != "db" || u.Scheme != "unix" {
			return bad("has a query that is not known")
		}
	}
	if database != "" {
		if s.database, err = strconv.Atoi(database); err != nil || s.database < 0 {
			return bad("has a database that is no number")
		}
	}
	return s, nil
}
