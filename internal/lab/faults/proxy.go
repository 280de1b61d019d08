package faults

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// Config says what lies between.
type Config struct {
	Upstream    string          // host:port of the mail server, TLS from the start
	Trust       *tls.Config     // towards it
	Certificate tls.Certificate // towards the client
	Fault       Fault
}

// A Proxy passes conversations on and commits its Fault in the first that comes by the
// place.
type Proxy struct {
	config   Config
	listener net.Listener
	running  sync.WaitGroup
	closed   chan struct{}

	mu    sync.Mutex
	conns map[net.Conn]bool
	skip  int // places that are still passed by
	fired bool
}

// Start listens on the loopback.
func Start(config Config) (*Proxy, error) {
	settings := &tls.Config{Certificates: []tls.Certificate{config.Certificate}, MinVersion: tls.VersionTLS12}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the mover: %w", err)
	}
	p := &Proxy{config: config, listener: listener, closed: make(chan struct{}), conns: map[net.Conn]bool{}, skip: config.Fault.Skip}
	p.running.Go(func() { p.accept(settings) })
	return p, nil
}

// Addr is where the mover connects to, host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Fired reports whether the fault has been committed.
func (p *Proxy) Fired() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fired
}

// Close breaks all connections and waits until nothing is at work any more.
func (p *Proxy) Close() error {
	close(p.closed)
	err := p.listener.Close()
	p.mu.Lock()
	for c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.running.Wait()
	return err
}

func (p *Proxy) accept(settings *tls.Config) {
	for {
		raw, err := p.listener.Accept()
		if err != nil {
			return
		}
		if p.track(raw) {
			p.running.Go(func() { p.serve(raw, tls.Server(raw, settings)) })
		}
	}
}

// track notes a connection, so that Close can break it; false: the proxy is closed.
func (p *Proxy) track(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.closed:
		_ = c.Close()
		return false
	default:
		p.conns[c] = true
		return true
	}
}

func (p *Proxy) forget(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	_ = c.Close()
}

// A relay is one conversation.
type relay struct {
	*Proxy
	raw     [2]net.Conn // by Side, beneath TLS
	over    chan struct{}
	once    sync.Once
	mute    chan struct{} // closed: nothing is passed on any more
	silence sync.Once
}

func (p *Proxy) serve(raw net.Conn, client *tls.Conn) {
	defer p.forget(raw)
	upstream, err := net.Dial("tcp", p.config.Upstream)
	if err != nil || !p.track(upstream) {
		return
	}
	defer p.forget(upstream)
	server := tls.Client(upstream, p.config.Trust)
	r := &relay{Proxy: p, raw: [2]net.Conn{Server: upstream, Client: raw}, over: make(chan struct{}), mute: make(chan struct{})}
	t := &talk{}
	var both sync.WaitGroup
	both.Go(func() { r.pump(Server, server, client, t) })
	both.Go(func() { r.pump(Client, client, server, t) })
	both.Wait()
}

// end closes both sides, politely or not.
func (r *relay) end(rudely bool) {
	r.once.Do(func() {
		close(r.over)
		for _, c := range r.raw {
			if tcp, ok := c.(*net.TCPConn); ok && rudely {
				_ = tcp.SetLinger(0)
			}
			_ = c.Close()
		}
	})
}

// pump passes on what one side says until either has gone.
func (r *relay) pump(from Side, in, out net.Conn, t *talk) {
	defer r.end(false)
	f := &flow{relay: r, scan: newScanner(from, t), out: out}
	buffer := make([]byte, 32<<10)
	for {
		n, err := in.Read(buffer)
		if f.pass(buffer[:n]) != nil || err != nil {
			return
		}
	}
}

// due reports whether the fault is to be committed at these places, which is said once.
func (p *Proxy) due(from Side, places []Place, t *talk) bool {
	f := p.config.Fault
	if len(places) == 0 || f.From != from || !slices.Contains(places, f.At) {
		return false
	}
	if f.Command != "" && f.Command != t.current(from) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fired {
		return false
	}
	p.skip--
	p.fired = p.skip < 0
	return p.fired
}

// A flow is one direction of a conversation.
type flow struct {
	*relay
	scan *scanner
	out  net.Conn
	drop int // bytes still to be left out
	slow int // bytes at a time; 0: as they come
	most int // bytes that are still to go slowly
}

var errOver = errors.New("the conversation is over")

// pass passes b on, and commits the fault where it is due.
func (f *flow) pass(b []byte) error {
	var ready []byte // to be written
	for _, c := range b {
		if f.due(f.scan.from, f.scan.before(c), f.scan.talk) {
			if err := f.write(ready); err != nil {
				return err
			}
			ready = nil
			if err := f.commit(f.config.Fault.Do); err != nil {
				return err
			}
		}
		f.scan.pass(c)
		if f.drop > 0 {
			f.drop--
			continue
		}
		ready = append(ready, c)
	}
	return f.write(ready)
}

func (f *flow) write(b []byte) error {
	select {
	case <-f.mute:
		return nil
	default:
	}
	for len(b) > 0 {
		n := len(b)
		if f.most > 0 {
			n = min(n, f.slow)
			f.most -= n
		}
		if _, err := f.out.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// commit does what the fault is.
func (f *flow) commit(a Action) error {
	switch a.kind {
	case reset:
		f.end(true)
		return errOver
	case halfOpen:
		f.silence.Do(func() { close(f.mute) })
	case stall:
		return f.pause(a.wait)
	case slow:
		f.slow, f.most = a.number, a.most
	case insert:
		return f.write([]byte(a.text))
	case drop:
		f.drop = a.number
	}
	return nil
}

func (f *flow) pause(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-f.over:
		return errOver
	case <-f.closed:
		return errOver
	}
}
