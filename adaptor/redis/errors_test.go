package redis_test

import (
	"bufio"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zelt-go/kv/adaptor"
	"github.com/zelt-go/kv/adaptor/redis"
	"github.com/zelt-go/kv/internal/redistest"
)

// If a command in a script fails, the error has the code of the command. Redis 6.2.9 writes a position in
// the script before the code.
func TestScriptErrorsKeepTheirCode(t *testing.T) {
	const failed, invalid = adaptor.CodeStoreOperationFailed, adaptor.CodeInvalidValue
	for _, tt := range []struct {
		reply string
		code  adaptor.Code
		want  string
	}{
		{"@user_script: 13: -OOM command not allowed when used memory > 'maxmemory'.", failed, "the server refused with OOM: its maxmemory is reached"},
		{"@user_script: 6: -READONLY You can't write against a read only replica.", failed, "the server refused with READONLY: it is a replica; the stores need the primary"},
		{"@user_script: 13: -NOREPLICAS Not enough good replicas to write.", failed, "the server refused with NOREPLICAS: fewer replicas are connected than its min-replicas-to-write"},
		{"@user_script: 13: -MISCONF Errors writing to the AOF file: secret", failed, "the server refused with MISCONF: it cannot save to disk, and its settings then forbid writes"},
		{"@user_script: 13: The user executing the script can't run this command or subcommand", failed, "the server refused with NOPERM: its ACL does not allow this user to use the command or the key"},
		{"@user_script: 2: The user executing the script can't access at least one of the keys mentioned in the command arguments", failed, "the server refused with NOPERM: its ACL does not allow this user to use the command or the key"},
		{"@user_script: 2: Script attempted to execute a command while the cluster is down", failed, "the server refused with CLUSTERDOWN: its cluster has no primary for this key"},
		{"@user_script: 2: Script attempted to access a non local key in a cluster node", failed, "the server refused with ERR"},
		{"ERR Error running script (call to f_e4b630ca3f4eca507701b11eb4f233603551fa65): @user_script:1: ERR value is not an integer or out of range", invalid, "the stored value is not a plain integer"},
		{"ERR Error running script (call to f_e4b630ca3f4eca507701b11eb4f233603551fa65): @user_script:1: ERR increment or decrement would overflow", invalid, "the sum is beyond the range of int64"},
		{"ERR Error running script (call to f_d3c21d0c2b9ca22f82737626a27bcaf5d288f99f): @user_script:1: WRONGTYPE Operation against a key holding the wrong kind of value", invalid, "the key holds a type other than string (WRONGTYPE)"},
		{"ERR Error running script (call to f_e4b630ca3f4eca507701b11eb4f233603551fa65): @user_script:1: @user_script: 1: secret", failed, "the server refused with ERR"},
		{"ERR secret @user_script: 1: -OOM secret", failed, "the server refused with ERR"},
	} {
		addr := fakeServer(t, "6.2.9", func(words []string) string {
			if words[0] == "EVALSHA" {
				return "-" + tt.reply + "\r\n"
			}
			return "+OK\r\n"
		})
		store := open(t, start(t, redis.Config{URL: "redis://" + addr}), "ns")
		_, _, err := store.IncrTTL(ctx, "k", 1)
		assert.EqualError(t, err, `kv: IncrTTL in namespace "ns": `+string(tt.code)+": "+tt.want, tt.reply)
		assert.False(t, adaptor.OutcomeUnknown(err))
	}
}

// While no node of a Cluster owns the slot of a key, the client does not send a write to the key.
func TestWriteToAnUnassignedSlotIsNotApplied(t *testing.T) {
	s := redistest.Start(t, "--cluster-enabled", "yes")
	store := open(t, start(t, redis.Config{URL: s.URL() + "?cluster=true"}), "ns")
	_, err := store.Incr(ctx, "secret", 1)
	assert.EqualError(t, err, `kv: Incr in namespace "ns": STORE_OPERATION_FAILED: the Cluster names no server for this key; try again later`)
	assert.False(t, adaptor.OutcomeUnknown(err))
}

// A reply of an unexpected type says nothing about the outcome of a write.
func TestMalformedReplyToAWriteIsOutcomeUnknown(t *testing.T) {
	addr := fakeServer(t, "7.2.0", func(words []string) string {
		if slices.Contains([]string{"SCRIPT", "CLIENT"}, words[0]) {
			return "+OK\r\n"
		}
		return "~1\r\n:1\r\n" // a set
	})
	store := open(t, start(t, redis.Config{URL: "redis://" + addr}), "ns")
	third := func(_ []byte, _ bool, err error) error { return err }
	for name, err := range map[string]error{
		"GetRaw":         third(store.GetRaw(ctx, "k")),
		"Has":            errOf(store.Has(ctx, "k")),
		"Incr":           errOf(store.Incr(ctx, "k", 1)),
		"CompareAndSwap": errOf(store.CompareAndSwap(ctx, "k", 1, 2)),
		"GetDel":         third(store.GetDel(ctx, "k")),
		"Swap":           third(store.Swap(ctx, "k", 1)),
		"GetExpire":      third(store.GetExpire(ctx, "k", time.Hour)),
	} {
		assert.ErrorContains(t, err, "the server sent a reply of an unexpected type", name)
		assert.Equal(t, name != "GetRaw" && name != "Has", adaptor.OutcomeUnknown(err), name)
	}
}

// fakeServer starts a server that replies to each command with the text that answer returns. To HELLO,
// it replies like a primary of the given version, unless answer returns an error reply.
func fakeServer(t *testing.T, version string, answer func(words []string) string) (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var wg sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	hello := "%7\r\n+server\r\n+redis\r\n+version\r\n+" + version + "\r\n+proto\r\n:3\r\n+id\r\n:1\r\n+mode\r\n+standalone\r\n+role\r\n+master\r\n+modules\r\n*0\r\n"
	serve := func(conn net.Conn) {
		defer conn.Close()
		r := bufio.NewReader(conn)
		for {
			line, err := r.ReadString('\n') // * and the number of words
			if err != nil {
				return
			}
			n, _ := strconv.Atoi(strings.TrimSpace(line[1:]))
			var words []string
			for range n {
				line, err := r.ReadString('\n') // $ and the number of bytes
				if err != nil {
					return
				}
				size, _ := strconv.Atoi(strings.TrimSpace(line[1:]))
				word := make([]byte, size+2)
				if _, err := io.ReadFull(r, word); err != nil {
					return
				}
				words = append(words, string(word[:size]))
			}
			text := answer(words)
			if words[0] == "HELLO" && !strings.HasPrefix(text, "-") {
				text = hello
			}
			if _, err := io.WriteString(conn, text); err != nil {
				return
			}
		}
	}
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { serve(conn) })
		}
	})
	return l.Addr().String()
}
