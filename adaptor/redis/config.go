package redis

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
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
	// URL says where the server is, and which topology it is of:
	//
	//	redis://[[user]:password@]host[:port][/database]    one server
	//	redis://…host:port,host:port?master_set=name        Sentinels, and the name that they watch
	//	redis://…host:port,host:port?cluster=true           some nodes of a Cluster
	//	unix://[[user]:password@]/path/to/socket[?db=n]     one server, on this machine
	//
	// rediss:// instead of redis:// is TLS. What is special in a URL is percent-encoded in a
	// password. Empty means the environment variable REDIS_URL, and if that is empty,
	// redis://localhost:6379.
	URL string

	// Username and Password, of the server's ACL, go before those of the URL. With a
	// password alone the user is "default".
	Username string
	Password string

	// SentinelUsername and SentinelPassword are for the Sentinels themselves, which have
	// users of their own.
	SentinelUsername string
	SentinelPassword string

	// TLS is for rediss://: roots of one's own, a client's certificate. A ServerName that
	// is empty becomes the host that is dialed. Nil means the system's roots.
	TLS *tls.Config

	// Logger gets a line at Start that says which server and topology was found. Nil means none.
	Logger *slog.Logger

	// Timeout is how long an operation may take whose context has no deadline. Zero
	// means 2 s. It is also how long, and a second at least, a server may be silent after a
	// ping, or while a connection is made, before that is given up; with Sentinel and Cluster it is
	// one second.
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

// Format prints all but the URL and the passwords, with any verb.
func (c Config) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "redis.Config{Timeout: %s, Pipeline: %d, Buffer: %d, …}", c.Timeout, c.Pipeline, c.Buffer)
}

// LogValue is what slog shows.
func (c Config) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

const (
	defaultURL      = "redis://localhost:6379"
	defaultTimeout  = 2 * time.Second
	defaultPipeline = 1024
	defaultBuffer   = 64 << 10
	minPipeline     = 256
	minBuffer       = 4 << 10
)

// withDefaults fills in what is zero, and refuses what can't be.
func (c Config) withDefaults() (Config, error) {
	for _, f := range []struct {
		name           string
		value          *int
		min, zeroMeans int
	}{
		{"Pipeline", &c.Pipeline, minPipeline, defaultPipeline},
		{"Buffer", &c.Buffer, minBuffer, defaultBuffer},
	} {
		if *f.value == 0 {
			*f.value = f.zeroMeans
		}
		if *f.value < f.min {
			return c, fmt.Errorf("redis: Config.%s must be at least %d, or 0 for %d; got %d", f.name, f.min, f.zeroMeans, *f.value)
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
	if c.Timeout < time.Millisecond { // a bare 2 is 2 ns: no operation would end in time
		return c, fmt.Errorf("redis: Config.Timeout must be at least 1ms, got %s: a duration needs a unit, such as 2 * time.Second", c.Timeout)
	}
	if c.Username != "" && c.Password == "" {
		return c, errors.New("redis: Config.Username needs Config.Password")
	}
	return c, nil
}

// pipelineScale is the Pipeline as a power of two.
func (c Config) pipelineScale() int { return bits.Len(uint(c.Pipeline - 1)) }

// server is where a URL leads.
type target struct {
	addresses []string
	topology  topology
	masterSet string      // of Sentinel
	tls       *tls.Config // nil: without
	username  string
	password  string
	database  int
}

// String is what errors call it.
func (s target) String() string { return strings.Join(s.addresses, ",") }

// topology is how many servers there are, and who knows the primary.
type topology string

const (
	single   topology = "a single server"
	sentinel topology = "Sentinel"
	cluster  topology = "a Cluster"
)

// server reads the URL. Its errors quote nothing of it: any part of a URL with a mistake may
// be a part of the password.
func (c Config) target() (target, error) {
	text, source := c.URL, "Config.URL"
	if text == "" {
		text, source = os.Getenv("REDIS_URL"), "the environment variable REDIS_URL"
	}
	if text == "" {
		text = defaultURL
	}
	invalid := func(what string) (target, error) {
		return target{}, fmt.Errorf("redis: %s %s; it should be like redis://user:password@host:6379/0, rediss://host (TLS), or unix:///path/to/socket", source, what)
	}
	if !strings.Contains(text, "://") {
		return invalid("has no scheme")
	}
	u, err := url.Parse(text)
	if err != nil {
		return invalid("is not a URL (percent-encode the special characters of a password)")
	}
	if strings.Contains(text, "#") { // what is before it would be taken for a host, and shown
		return invalid("has a # (write %23 in a password)")
	}
	s := target{topology: single, username: u.User.Username()}
	s.password, _ = u.User.Password()
	if c.Password != "" {
		s.username, s.password = c.Username, c.Password
	}
	if s.username != "" && s.password == "" {
		return invalid("has a user without a password (for a password alone, write redis://:password@host)")
	}
	database := strings.TrimPrefix(u.Path, "/")
	query := u.Query()
	switch u.Scheme {
	case "redis", "rediss":
		if s.addresses = addresses(u.Host); s.addresses == nil {
			return invalid("has no host, or an invalid address")
		}
		if u.Scheme == "rediss" {
			s.tls = c.TLS.Clone()
			if s.tls == nil {
				s.tls = &tls.Config{MinVersion: tls.VersionTLS12}
			}
		}
		if s.masterSet = query.Get("master_set"); s.masterSet != "" {
			s.topology = sentinel
		}
		switch query.Get("cluster") {
		case "", "false":
		case "true":
			if s.topology == sentinel {
				return invalid("has both master_set and cluster")
			}
			s.topology = cluster
		default:
			return invalid("has a parameter cluster other than true and false")
		}
		query.Del("master_set")
		query.Del("cluster")
		if s.topology == single && len(s.addresses) > 1 {
			return invalid("has several hosts: add ?cluster=true for a Cluster, or ?master_set=name for Sentinels")
		}
		if s.topology == cluster && database != "" && database != "0" {
			return invalid("has a database, but a Cluster has only one")
		}
	case "unix":
		if u.Host != "" || u.Path == "" {
			return invalid("has no absolute path of a socket")
		}
		s.addresses = []string{u.Path}
		database = query.Get("db")
		query.Del("db")
	default:
		return invalid("has another scheme than redis, rediss and unix")
	}
	if len(query) > 0 {
		return invalid("has an unknown query parameter")
	}
	if c.TLS != nil && s.tls == nil {
		return target{}, fmt.Errorf("redis: Config.TLS is set, but %s is not a rediss:// URL", source)
	}
	if database != "" {
		if s.database, err = strconv.Atoi(database); err != nil || s.database < 0 {
			return invalid("has a database that is not a number")
		}
	}
	return s, nil
}

// addresses splits a list of hosts with or without ports; nil if one of them is none.
func addresses(hosts string) []string {
	var list []string
	for host := range strings.SplitSeq(hosts, ",") {
		u := url.URL{Host: host}
		port := u.Port()
		if port == "" {
			port = "6379"
		}
		if u.Hostname() == "" {
			return nil
		}
		list = append(list, net.JoinHostPort(u.Hostname(), port))
	}
	return list
}
