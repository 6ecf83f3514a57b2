package redistest

import (
	"net"
	"sync"
	"testing"
	"time"
)

// A Fault is what a proxy does to what the server answers.
type Fault int

// The faults.
const (
	Pass    Fault = iota
	Cut           // the next answer is lost, and the connection closed
	Reset         // the same with a reset
	Swallow       // answers are lost while the connection stays
	Refuse        // connections are closed, new ones too
	Mute          // new connections are taken, and nothing is passed either way
)

// A Proxy is a TCP proxy in front of a server.
type Proxy struct {
	Addr string

	listener net.Listener
	wg       sync.WaitGroup

	mu     sync.Mutex
	target string
	fault  Fault
	delay  time.Duration
	piece  int                 // of an answer, in bytes
	conns  map[net.Conn]string // from which host
	deaf   map[string]bool     // to these hosts: what Mute is to all
}

// StartProxy starts a proxy to target, host:port, which ends with the test.
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

// URL leads to the proxy.
func (p *Proxy) URL() string { return "redis://" + p.Addr }

// Set has the proxy do f from now on. Cut and Reset end with the connection that they close.
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

// Deafen has the proxy do to one host what Mute does to all, until it is told otherwise.
func (p *Proxy) Deafen(host string, deaf bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaf[host] = deaf
	for c, from := range p.conns {
		if from == host && !deaf { // pieces are missing
			_ = c.Close()
		}
	}
}

// HangUp closes all connections as a server does, and returns when the clients have noticed.
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

// aim says where the proxy leads, before anybody calls.
func (p *Proxy) aim(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// Delay has the proxy hold back each answer for d.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Trickle has the proxy pass answers n bytes at a time, and hold back each of these pieces for d: a
// server that is slow to answer, one call after the other.
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

// copy copies pieces, of answers or of requests, until one end is closed.
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

// next is what to do with a piece.
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
