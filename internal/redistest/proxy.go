package redistest

import (
	"net"
	"sync"
	"testing"
	"time"
)

// A Fault says how a proxy disturbs the traffic with its server.
type Fault int

// The faults.
const (
	Pass    Fault = iota // no fault
	Cut                  // the next reply is lost, and the connection is closed
	Reset                // the next reply is lost, and the connection is reset
	Swallow              // all replies are lost, and the connections stay open
	Refuse               // all connections and all new connections are closed
	Mute                 // connections are accepted, but carry no data in either direction
)

// A Proxy is a TCP proxy in front of a server. All methods may be called concurrently.
type Proxy struct {
	Addr string // host:port

	listener net.Listener
	wg       sync.WaitGroup

	mu     sync.Mutex
	target string
	fault  Fault
	delay  time.Duration
	piece  int                 // the size in bytes of the pieces of a reply
	conns  map[net.Conn]string // by connection: the host of the client
	deaf   map[string]bool     // the hosts for which the proxy is mute
}

// StartProxy starts a proxy to target, in the form host:port. The proxy ends with the test.
func StartProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Addr: l.Addr().String(), target: target, listener: l, piece: mostPiece, conns: map[net.Conn]string{}, deaf: map[string]bool{}}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.Set(Refuse)
		p.wg.Wait()
	})
	return p
}

// URL returns a URL for redis.Config that leads to the proxy.
func (p *Proxy) URL() string { return "redis://" + p.Addr }

// Set sets the fault of all connections. Cut and Reset apply to one reply, and the fault is then Pass.
func (p *Proxy) Set(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
	if f == Refuse {
		for c := range p.conns {
			_ = c.Close()
		}
	}
}

// Deafen makes the proxy mute for one host if deaf is true, and ends this if deaf is false.
func (p *Proxy) Deafen(host string, deaf bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaf[host] = deaf
	for c, from := range p.conns {
		if from == host && !deaf { // the connection has lost data
			_ = c.Close()
		}
	}
}

// HangUp closes all connections like a server that shuts down. It returns when the clients have closed
// the connections.
func (p *Proxy) HangUp() {
	for {
		p.mu.Lock()
		for c := range p.conns {
			if c.LocalAddr().String() == p.Addr {
				_ = c.(*net.TCPConn).CloseWrite()
			}
		}
		left := len(p.conns)
		p.mu.Unlock()
		if left == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// aim sets the target of the proxy. It must be called before the first connection.
func (p *Proxy) aim(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// Delay delays each reply by d.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Trickle splits replies into pieces of n bytes and delays each piece by d. This simulates a server that
// replies slowly, to one call after the other.
func (p *Proxy) Trickle(n int, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.piece, p.delay = n, d
}

const mostPiece = 64 << 10

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	host, _, _ := net.SplitHostPort(client.RemoteAddr().String())
	target, ok := p.add(client, host)
	if !ok {
		return
	}
	defer p.remove(client)
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer server.Close()
	if _, ok := p.add(server, host); !ok {
		return
	}
	defer p.remove(server)
	p.wg.Go(func() {
		defer server.Close()
		p.copy(server, client, host, false)
	})
	p.copy(client, server, host, true)
}

// copy copies the pieces of replies or of requests until one end is closed.
func (p *Proxy) copy(to, from net.Conn, host string, answers bool) {
	buffer := make([]byte, mostPiece)
	for {
		piece := buffer
		if answers {
			piece = buffer[:p.size()]
		}
		n, err := from.Read(piece)
		if n > 0 {
			fault, delay := p.next(host, answers)
			if answers {
				time.Sleep(delay)
			}
			switch {
			case fault == Mute, answers && fault == Swallow:
			case answers && fault == Reset:
				_ = to.(*net.TCPConn).SetLinger(0)
				fallthrough
			case answers && fault == Cut:
				_ = to.Close()
				return
			default:
				if _, err := to.Write(buffer[:n]); err != nil {
					return
				}
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *Proxy) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.piece
}

// next returns the fault and the delay for the next piece.
func (p *Proxy) next(host string, answers bool) (Fault, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.deaf[host] {
		return Mute, 0
	}
	f := p.fault
	if answers && (f == Cut || f == Reset) {
		p.fault = Pass
	}
	return f, p.delay
}

func (p *Proxy) add(c net.Conn, host string) (target string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fault == Refuse {
		return "", false
	}
	p.conns[c] = host
	return p.target, true
}

func (p *Proxy) remove(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}
