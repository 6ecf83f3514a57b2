package redis_test

import (
	"crypto/tls"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/redis"
	"github.com/zelt-go/kv/internal/redistest"
)

func TestTLS(t *testing.T) {
	authority := redistest.NewAuthority(t)
	client := authority.Issue("client", time.Now().Add(time.Hour))
	s, addr := redistest.StartTLS(t, authority)
	url := "rediss://" + addr
	good := &tls.Config{RootCAs: authority.Roots, Certificates: []tls.Certificate{client}}

	for _, tt := range []struct {
		name   string
		config *tls.Config
		want   string
	}{
		{"roots of the system", nil, "TLS: x509: certificate signed by unknown authority"},
		{"another name", &tls.Config{RootCAs: authority.Roots, ServerName: "example.org"}, "TLS: x509: certificate is not valid for any names, but wanted to match example.org"},
		{"no certificate of the client", &tls.Config{RootCAs: authority.Roots}, ""}, // the server's reason may not arrive before the connection closes
	} {
		t.Run(tt.name, func(t *testing.T) {
			kv, err := redis.New(redis.Config{URL: url, TLS: tt.config})
			require.NoError(t, err)
			assert.ErrorContains(t, kv.Start(ctx), "redis: start with "+addr+": "+tt.want)
		})
	}

	t.Run("New copies Config.TLS", func(t *testing.T) {
		changing := good.Clone()
		kv, err := redis.New(redis.Config{URL: url, TLS: changing})
		require.NoError(t, err)
		changing.RootCAs = nil
		require.NoError(t, kv.Start(ctx))
		require.NoError(t, kv.Stop(ctx))
	})

	// While the app runs, the server's certificate expires and is renewed.
	store := open(t, start(t, redis.Config{URL: url, TLS: good}), "ns")
	require.NoError(t, store.Set(ctx, "k", 1))
	present := func(name string, expires time.Time) {
		authority.Issue(name, expires)
		require.Equal(t, "OK", s.Do("CONFIG", "SET", "tls-cert-file", authority.Path(name+".crt"), "tls-key-file", authority.Path(name+".key")))
		s.Do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	}
	present("expired", time.Now().Add(-time.Hour))
	require.Eventually(t, func() bool { return store.Set(ctx, "k", 2) != nil }, 5*time.Second, time.Millisecond)
	err := store.Set(ctx, "k", 2)
	assert.ErrorContains(t, err, "no connection to "+addr+": TLS: x509: certificate has expired or is not yet valid")
	assert.False(t, adaptor.OutcomeUnknown(err))
	assert.Equal(t, "1", s.Do("GET", "ns:k"))
	present("renewed", time.Now().Add(time.Hour))
	require.Eventually(t, func() bool { return store.Set(ctx, "k", 3) == nil }, 5*time.Second, time.Millisecond)

	kv, err := redis.New(redis.Config{URL: "redis://" + addr})
	require.NoError(t, err)
	assert.ErrorContains(t, kv.Start(ctx), "(if the server needs TLS, the URL must begin with rediss://)")

	kv, err = redis.New(redis.Config{URL: "redis://" + addr, TLS: good})
	assert.Nil(t, kv)
	assert.EqualError(t, err, "redis: Config.TLS is set, but Config.URL is not a rediss:// URL")
}

// While the app runs, the user of the ACL is deleted and created again.
func TestStoreRecoversFromARevokedUser(t *testing.T) {
	s := redistest.Start(t)
	allow := func() {
		require.Equal(t, "OK", s.Do("ACL", "SETUSER", "app", "on", ">secret", "~ns:*", "+get", "+set", "+del", "+exists", "+pexpire", "+pttl", "+incrby",
			"+evalsha", "+eval", "+hello", "+ping", "+script|load"))
	}
	allow()
	store := open(t, start(t, redis.Config{URL: "redis://app:secret@" + s.Addr}), "ns")
	_, err := store.Incr(ctx, "n", 1)
	require.NoError(t, err)
	s.Do("ACL", "DELUSER", "app")
	require.Eventually(t, func() bool { return errOf(store.Incr(ctx, "n", 1)) != nil }, 5*time.Second, time.Millisecond)
	_, err = store.Incr(ctx, "n", 1)
	assert.ErrorContains(t, err, "the server refused with WRONGPASS")
	assert.NotContains(t, err.Error(), "secret")
	assert.False(t, adaptor.OutcomeUnknown(err))
	before := s.Do("GET", "ns:n")
	allow()
	require.Eventually(t, func() bool { return errOf(store.Incr(ctx, "n", 1)) == nil }, 5*time.Second, time.Millisecond)
	assert.Equal(t, "1", before)
	assert.Equal(t, "2", s.Do("GET", "ns:n"))
}
