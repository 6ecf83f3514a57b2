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

// Config configures a RedisKV. The zero value connects to a server on this machine, which suits
// development.
type Config struct {
	// URL names the server and its topology:
	//
	//	redis://[[user]:password@]host[:port][/database]    one server
	//	redis://…host:port,host:port?master_set=name        Sentinels, and the name that they watch
	//	redis://…host:port,host:port?cluster=true           some nodes of a Cluster
	//	unix://[[user]:password@]/path/to/socket[?db=n]     one server, on this machine
	//
	// The scheme rediss:// instead of redis:// selects TLS. In a password, the special characters of
	// URLs must be percent-encoded. An empty URL means the environment variable REDIS_URL. If this
	// variable is also empty, the URL is redis://localhost:6379.
	URL string

	// Username and Password are the credentials of a user of the server's ACL. If Password is set,
	// both replace the credentials in the URL. An empty Username then means the user "default". New
	// returns an error if only Username is set.
	Username string
	Password string

	// SentinelUsername and SentinelPassword are the credentials for the Sentinels, which have their
	// own users.
	SentinelUsername string
	SentinelPassword string

	// TLS configures TLS for rediss://, for example with root certificates or a client certificate.
	// New copies it. An empty ServerName means the host of the connection. A nil TLS means the root
	// certificates of the system. New returns an error if TLS is set and the URL is not rediss://.
	TLS *tls.Config

	// Logger receives one line from Start with the address, topology and version of the server. Nil
	// means no logging.
	Logger *slog.Logger

	// Timeout limits an operation whose context has no deadline. Zero means 2 s. New returns an error
	// if Timeout is less than 1 ms and not zero.
	//
	// Timeout also limits the silence of a server after a ping and during the connecting. If the
	// server is silent longer, the connection is closed. This limit is at least one second. With
	// Sentinels and on a Cluster, it is always one second.
	Timeout time.Duration

	// Pipeline limits the number of operations that wait for a reply at the same time. Further
	// operations wait until a reply arrives or their context ends. New rounds the number up to a power
	// of two. Each unit takes about 350 bytes. Zero means 1024. New returns an error if Pipeline is
	// less than 256 or greater than 1048576.
	Pipeline int

	// Buffer is the size in bytes of the read buffer of a connection, and also of its write buffer.
	// Longer values pass through a buffer in pieces. Zero means 64 KiB. New returns an error if Buffer
	// is less than 4 KiB.
	Buffer int
}

// Format implements [fmt.Formatter]. For every verb, it omits the URL and the credentials.
func (c Config) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "redis.Config{Timeout: %s, Pipeline: %d, Buffer: %d, …}", c.Timeout, c.Pipeline, c.Buffer)
}

// LogValue implements [slog.LogValuer]. Like Format, it omits the URL and the credentials.
func (c Config) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

const (
	defaultURL      = "redis://localhost:6379"
	defaultTimeout  = 2 * time.Second
	defaultPipeline = 1024
	defaultBuffer   = 64 << 10
	minPipeline     = 256
	minBuffer       = 4 << 10
)

// withDefaults returns c with defaults in place of zero fields, or an error for an invalid field.
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
	if c.Timeout < time.Millisecond { // the number 2 without a unit is 2 ns, in which no operation can end
		return c, fmt.Errorf("redis: Config.Timeout must be at least 1ms, got %s: a duration needs a unit, such as 2 * time.Second", c.Timeout)
	}
	if c.Username != "" && c.Password == "" {
		return c, errors.New("redis: Config.Username needs Config.Password")
	}
	return c, nil
}

// pipelineScale returns the smallest n for which 2^n is at least Pipeline.
func (c Config) pipelineScale() int { return bits.Len(uint(c.Pipeline - 1)) }

// A target is a parsed URL, with the credentials and the TLS configuration to use.
type target struct {
	addresses []string
	topology  topology
	masterSet string      // the name of the primary in the Sentinels, or ""
	tls       *tls.Config // nil means no TLS
	username  string
	password  string
	database  int
}

// String returns the addresses, for error texts.
func (t target) String() string { return strings.Join(t.addresses, ",") }

// A topology says how many servers there are and how a client finds the primary.
type topology string

const (
	single   topology = "a single server"
	sentinel topology = "Sentinel"
	cluster  topology = "a Cluster"
)

// target parses the URL. Its errors quote no part of the URL: if the URL has a mistake, any part may
// belong to the password.
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
	if strings.Contains(text, "#") { // url.Parse takes the text before # for a host, which errors show
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

// addresses splits a list of hosts, adds the missing ports and returns the addresses. It returns nil if a
// host is empty.
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
