package redistest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A Cluster consists of three primaries and three replicas.
type Cluster struct {
	Nodes []*Server

	t testing.TB
}

// StartCluster starts a Cluster with a cluster-node-timeout of two seconds. The test fails if redis-cli is
// not installed.
func StartCluster(t testing.TB, args ...string) *Cluster {
	t.Helper()
	return startCluster(t, nil, args...)
}

// StartClusterInNetwork does the same as StartCluster, with nodes that can be cut off (see [Server.Cut]).
func StartClusterInNetwork(t testing.TB) *Cluster {
	t.Helper()
	return startCluster(t, &network{})
}

func startCluster(t testing.TB, n *network, args ...string) *Cluster {
	t.Helper()
	if Find("redis-cli") == "" {
		t.Fatal("redis-cli is not installed: apt-get install redis-tools")
	}
	c := &Cluster{t: t}
	create := []string{"--cluster", "create"}
	for range 6 {
		bus := freePort(t)
		own := append([]string{"--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port", bus, "--repl-diskless-sync-delay", "0"}, args...)
		s := n.start(t, true, own...)
		if s.socket != nil {
			s.socket.bus.aim("127.0.0.1:" + bus)
		}
		c.Nodes = append(c.Nodes, s)
		create = append(create, s.known())
	}
	out, err := exec.Command("redis-cli", append(create, "--cluster-replicas", "1", "--cluster-yes")...).CombinedOutput()
	if err != nil {
		t.Fatalf("redis-cli --cluster create: %v\n%s", err, out)
	}
	c.WaitUntilWhole()
	return c
}

// WaitUntilWhole waits until all nodes agree that the Cluster is healthy and each replica follows its
// primary. All nodes must be running.
func (c *Cluster) WaitUntilWhole() {
	c.t.Helper()
	wait(c.t, "the Cluster to be whole", func() bool {
		primaries, replicas := 0, 0
		for _, s := range c.Nodes {
			if !strings.Contains(s.Do("CLUSTER", "INFO"), "cluster_state:ok") || strings.Contains(s.Do("CLUSTER", "NODES"), "fail") {
				return false
			}
			if s.IsPrimary() {
				primaries++
			} else if s.follows() {
				replicas++
			}
		}
		return primaries == 3 && replicas == 3 // a node that has just started reports the role of a primary
	})
}

// URL returns a URL for redis.Config that leads to the first three nodes.
func (c *Cluster) URL() string {
	return "redis://" + c.Nodes[0].known() + "," + c.Nodes[1].known() + "," + c.Nodes[2].known() + "?cluster=true"
}

// Primary returns the running primary that owns the slot of key. The test fails if there is none.
func (c *Cluster) Primary(key string) *Server {
	c.t.Helper()
	for _, s := range c.Nodes {
		if s.cmd != nil && s.IsPrimary() && !strings.HasPrefix(s.Do("GET", key), "MOVED") {
			return s
		}
	}
	c.t.Fatalf("no primary holds %q", key)
	return nil
}

// Primaries returns the number of running nodes that report the role of a primary.
func (c *Cluster) Primaries() int {
	c.t.Helper()
	n := 0
	for _, s := range c.Nodes {
		if s.cmd != nil && s.IsPrimary() {
			n++
		}
	}
	return n
}

// FlushAll removes all keys.
func (c *Cluster) FlushAll() {
	c.t.Helper()
	for _, s := range c.Nodes {
		if s.IsPrimary() {
			s.Do("FLUSHALL")
		}
	}
}

// A Watched consists of a primary and two replicas that three Sentinels watch.
type Watched struct {
	Servers   []*Server
	Sentinels []*Server

	t testing.TB
}

// StartSentinel starts a Watched with down-after-milliseconds of one second.
func StartSentinel(t testing.TB, args ...string) *Watched {
	t.Helper()
	return startSentinel(t, nil, args...)
}

// StartSentinelInNetwork does the same as StartSentinel, with servers that can be cut off (see
// [Server.Cut]).
func StartSentinelInNetwork(t testing.TB) *Watched {
	t.Helper()
	return startSentinel(t, &network{})
}

func startSentinel(t testing.TB, n *network, args ...string) *Watched {
	t.Helper()
	w := &Watched{t: t}
	args = append([]string{"--repl-diskless-sync-delay", "0"}, args...)
	primary := n.start(t, false, args...)
	host, port, _ := strings.Cut(primary.known(), ":")
	w.Servers = append(w.Servers, primary)
	for range 2 {
		w.Servers = append(w.Servers, n.start(t, false, append([]string{"--replicaof", host, port}, args...)...))
	}
	w.WaitUntilWhole()
	for range 3 {
		dir, err := os.MkdirTemp("", "redistest")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		conf := filepath.Join(dir, "sentinel.conf")
		text := fmt.Sprintf("sentinel monitor primary %s %s 2\nsentinel down-after-milliseconds primary 1000\nsentinel failover-timeout primary 1000\n", host, port)
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s := &Server{t: t, program: Redis, args: []string{conf, "--sentinel"}, dir: dir}
		t.Cleanup(s.Kill)
		s.port = freePort(t)
		s.Addr = "127.0.0.1:" + s.port
		if err := s.start(); err != nil {
			t.Fatalf("Sentinel does not start: %v\n%s", err, s.Log())
		}
		w.Sentinels = append(w.Sentinels, s)
	}
	wait(t, "the Sentinels to know each other and the replicas", func() bool {
		for _, s := range w.Sentinels {
			state := s.Do("SENTINEL", "MASTER", "primary")
			if !strings.Contains(state, "num-slaves 2") || !strings.Contains(state, "num-other-sentinels 2") {
				return false
			}
		}
		return true
	})
	return w
}

// URL returns a URL for redis.Config that leads to the Sentinels.
func (w *Watched) URL() string {
	return "redis://" + w.Sentinels[0].Addr + "," + w.Sentinels[1].Addr + "," + w.Sentinels[2].Addr + "?master_set=primary"
}

// Primary returns the server that the first Sentinel names as the primary.
func (w *Watched) Primary() *Server {
	w.t.Helper()
	addr := strings.ReplaceAll(w.Sentinels[0].Do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "primary"), " ", ":")
	for _, s := range w.Servers {
		if s.known() == addr {
			return s
		}
	}
	w.t.Fatalf("Sentinel names %q, which is none of ours", addr)
	return nil
}

// WaitUntilWhole waits until each replica follows its primary.
func (w *Watched) WaitUntilWhole() {
	w.t.Helper()
	wait(w.t, "the replicas to follow", func() bool {
		primaries := 0
		for _, s := range w.Servers {
			if s.IsPrimary() {
				primaries++
			} else if !s.follows() {
				return false
			}
		}
		return primaries == 1
	})
}

// WaitUntilAgreed waits until each Sentinel knows the role of each replica, which takes up to ten seconds.
// A Sentinel without this knowledge may demote a replica that another Sentinel promotes.
func (w *Watched) WaitUntilAgreed() {
	w.t.Helper()
	w.WaitUntilWhole()
	wait(w.t, "the Sentinels to agree", func() bool {
		for _, s := range w.Sentinels {
			replicas := s.Do("SENTINEL", "REPLICAS", "primary")
			if strings.Count(replicas, "role-reported slave") != len(w.Servers)-1 ||
				strings.Count(replicas, "master-link-status ok") != len(w.Servers)-1 || strings.Contains(replicas, "down,") {
				return false
			}
		}
		return true
	})
}

// IsPrimary reports whether the server reports the role of a primary.
func (s *Server) IsPrimary() bool {
	s.t.Helper()
	return strings.Contains(s.Do("INFO", "replication"), "role:master")
}

// follows reports whether a replica is up to date with its primary.
func (s *Server) follows() bool {
	s.t.Helper()
	return strings.Contains(s.Do("INFO", "replication"), "master_link_status:up")
}

func wait(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("gave up waiting for %s", what)
		}
	}
}
