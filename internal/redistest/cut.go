package redistest

import (
	"fmt"
	"strings"
	"testing"
)

// A network connects servers, each of which can be cut off from all others and from all clients: a
// server is known by the ports of proxies in front of it, and calls others from an address of its
// own, by which their proxies know it. That takes Linux, where all of 127.0.0.0/8 is the loopback.
type network struct{ sockets []*socket }

// A socket is what one server is plugged into.
type socket struct {
	network *network
	host    string // which the server calls from
	port    *Proxy
	bus     *Proxy // of a Cluster's node
}

// plug makes a socket, and returns it with the arguments that a server needs for it.
func (n *network) plug(t testing.TB, cluster bool) (s *socket, args []string) {
	s = &socket{network: n, host: fmt.Sprintf("127.0.0.%d", 11+len(n.sockets)), port: StartProxy(t, "")}
	n.sockets = append(n.sockets, s)
	port := portOf(s.port.Addr)
	args = []string{"--bind-source-addr", s.host}
	if cluster {
		s.bus = StartProxy(t, "")
		return s, append(args, "--cluster-announce-ip", "127.0.0.1", "--cluster-announce-port", port, "--cluster-announce-bus-port", portOf(s.bus.Addr))
	}
	return s, append(args, "--replica-announce-ip", "127.0.0.1", "--replica-announce-port", port)
}

// start is Start in the network; without one, it is Start.
func (n *network) start(t testing.TB, cluster bool, args ...string) *Server {
	t.Helper()
	if n == nil {
		return Start(t, args...)
	}
	socket, more := n.plug(t, cluster)
	s := Start(t, append(more, args...)...)
	s.socket = socket
	socket.port.aim(s.Addr)
	return s
}

func portOf(addr string) string {
	_, port, _ := strings.Cut(addr, ":")
	return port
}

func (s *socket) proxies() []*Proxy {
	if s.bus == nil {
		return []*Proxy{s.port}
	}
	return []*Proxy{s.port, s.bus}
}

// Cut cuts the server off, which must be in a network, until Heal: nobody who calls it gets an
// answer, it hears of nobody, and nobody of it.
func (s *Server) Cut() {
	for _, other := range s.socket.network.sockets {
		for _, p := range other.proxies() {
			if other == s.socket {
				p.Set(Mute)
			} else {
				p.Deafen(s.socket.host, true)
			}
		}
	}
}

// Heal ends Cut.
func (s *Server) Heal() {
	for _, other := range s.socket.network.sockets {
		for _, p := range other.proxies() {
			if other == s.socket {
				p.Set(Refuse) // closes what has lost pieces
				p.Set(Pass)
			} else {
				p.Deafen(s.socket.host, false)
			}
		}
	}
}

// known is the address by which others know the server.
func (s *Server) known() string {
	if s.socket != nil {
		return s.socket.port.Addr
	}
	return s.Addr
}
