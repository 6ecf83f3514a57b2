package redis_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor/redis"
)

func TestNewRejectsAnInvalidConfig(t *testing.T) {
	for url, want := range map[string]string{
		"localhost:6379":                        "scheme",
		"http://localhost":                      "scheme",
		"redis://":                              "has no host",
		"redis://user@localhost":                "a user without a password",
		"redis://localhost/x":                   "a database that is not a number",
		"redis://localhost/-1":                  "a database that is not a number",
		"redis://localhost?db=1":                "an unknown query parameter",
		"unix://socket":                         "no absolute path",
		"unix:///socket?database=1":             "an unknown query parameter",
		"redis://:s/ecret@localhost":            "",
		"redis://:sec:ret@localhost:port":       "is not a URL",
		"redis://:sec%zzret@localhost":          "is not a URL",
		"redis://user:2024#ret@localhost":       "a # (write %23 in a password)",
		"redis://user:secret@localhost/secret":  "a database that is not a number",
		"redis://user:secret@localhost?secret=": "an unknown query parameter",
	} {
		_, err := redis.New(redis.Config{URL: url})
		require.Error(t, err, url)
		assert.ErrorContains(t, err, "redis: Config.URL")
		assert.ErrorContains(t, err, want)
		for _, secret := range []string{"ecret", "sec", "ret@"} {
			assert.NotContains(t, err.Error(), secret)
		}
		t.Setenv("REDIS_URL", url)
		_, err = redis.New(redis.Config{})
		assert.ErrorContains(t, err, "redis: the environment variable REDIS_URL")
	}
	t.Setenv("REDIS_URL", "")
	for want, config := range map[string]redis.Config{
		"redis: Config.Timeout must not be negative, got -1ns":                                                  {Timeout: -1},
		"redis: Config.Timeout must be at least 1ms, got 2ns: a duration needs a unit, such as 2 * time.Second": {Timeout: 2},
		"redis: Config.Pipeline must be at least 256, or 0 for 1024; got 255":                                   {Pipeline: 255},
		"redis: Config.Pipeline must be at most 1048576, got 1048577":                                           {Pipeline: 1<<20 + 1},
		"redis: Config.Buffer must be at least 4096, or 0 for 65536; got -1":                                    {Buffer: -1},
		"redis: Config.Username needs Config.Password":                                                          {Username: "u"},
	} {
		_, err := redis.New(config)
		assert.EqualError(t, err, want)
	}
	for _, url := range []string{"", "redis://localhost", "rediss://h:1/2", "redis://[::1]:7", "unix:///s?db=2", "redis://:p@h"} {
		_, err := redis.New(redis.Config{URL: url})
		assert.NoError(t, err)
	}
}

func TestPasswordsAreNeverPrinted(t *testing.T) {
	config := redis.Config{URL: "redis://u:secret1@h", Username: "u", Password: "secret2", SentinelPassword: "secret3"}
	kv, err := redis.New(config)
	require.NoError(t, err)
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("", "config", config)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d"} {
		fmt.Fprintf(&log, verb+verb, config, kv)
	}
	assert.NotContains(t, log.String(), "secret")
	assert.Contains(t, log.String(), "redis.RedisKV(h:6379)")
}
