package redistest

import (
	"fmt"
	"strings"
	"testing"
)

// A network connects servers and can cut off one server from all other servers and from all clients.
//
// Other servers and clients reach a server only through its proxies. Each server connects from a
// distinct address, by which the proxies of other servers recognize it. This works only on Linux, where
// all of 127.0.0.0/8 is the loopback.
type network struct{ sockets []*socket }

// A socket is the place of one server in a network.
type socket struct {
	network *network
	host    string // the address from which the server connects
	port    *Proxy
	bus     *Proxy // in front of the Cluster bus; nil without a Cluster
}

// plug adds a socket to the network. It returns the socket and the arguments for its server.
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

// start starts a server in the network. If n is nil, it does the same as Start.
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

// Cut cuts the server off from all other servers and from all clients, until Heal. Connections to the
// server and from the server carry no data. The server must be in a network.
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
				p.Set(Refuse) // closes the connections that have lost data
				p.Set(Pass)
			} else {
				p.Deafen(s.socket.host, false)
			}
		}
	}
}

// known returns the address by which clients and other servers reach the server.
func (s *Server) known() string {
	if s.socket != nil {
		return s.socket.port.Addr
	}
	return s.Addr
}
