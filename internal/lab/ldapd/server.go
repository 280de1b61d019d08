package ldapd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"reforest/directory"
	"reforest/migrate"
)

// acceptPause keeps a failing Accept from taking the processor for itself.
const acceptPause = 20 * time.Millisecond

// A Server is a running directory.
type Server struct {
	config Config
	store  *store
	tls    *tls.Config
	copied *replica // nil: the server is where the forest is written

	secure, plain, global net.Listener
	stop                  func() bool // unties the server from Start's context
	running               sync.WaitGroup

	hooked atomic.Bool // a hook is set
	hookMu sync.Mutex  // held from a write's first call of the hook to its last
	hook   Hook
	writes int

	mu     sync.Mutex
	conns  map[net.Conn]bool
	closed bool
}

// Start starts a directory with an empty forest. It stops when ctx ends or Close
// is called.
func Start(ctx context.Context, config Config) (*Server, error) {
	config, err := config.complete()
	if err != nil {
		return nil, err
	}
	forest, err := newForest(config)
	if err != nil {
		return nil, err
	}
	return serve(ctx, &Server{config: config, store: forest})
}

// serve starts to answer from the server's store.
func serve(ctx context.Context, s *Server) (*Server, error) {
	config := s.config
	certificate, err := config.Authority.Issue(config.names()...)
	if err != nil {
		return nil, err
	}
	s.conns = map[net.Conn]bool{}
	s.tls = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	if err := s.listen(ctx); err != nil {
		return nil, err
	}
	s.running.Go(func() { s.accept(s.secure, conn{secure: true}) })
	s.running.Go(func() { s.accept(s.plain, conn{}) })
	s.running.Go(func() { s.accept(s.global, conn{secure: true, global: true}) })
	s.stop = context.AfterFunc(ctx, s.shut)
	return s, nil
}

func (s *Server) listen(ctx context.Context) (err error) {
	var config net.ListenConfig
	if s.secure, err = config.Listen(ctx, "tcp", s.config.Address); err != nil {
		return fmt.Errorf("listen for LDAPS: %w", err)
	}
	if s.plain, err = config.Listen(ctx, "tcp", s.config.PlainAddress); err != nil {
		_ = s.secure.Close()
		return fmt.Errorf("listen for LDAP: %w", err)
	}
	if s.global, err = config.Listen(ctx, "tcp", s.config.GlobalAddress); err != nil {
		_, _ = s.secure.Close(), s.plain.Close()
		return fmt.Errorf("listen for the global catalog: %w", err)
	}
	return nil
}

// URL returns where the server speaks LDAPS.
func (s *Server) URL() string { return "ldaps://" + s.secure.Addr().String() }

// PlainURL returns where the server speaks LDAP with StartTLS.
func (s *Server) PlainURL() string { return "ldap://" + s.plain.Addr().String() }

// BaseDN returns the DN of the domain.
func (s *Server) BaseDN() directory.DN { return s.config.baseDN() }

// ConfigDN returns the DN of the configuration.
func (s *Server) ConfigDN() directory.DN { return s.config.baseDN().Child("CN", "Configuration") }

// AdminDN returns the DN of the administrator.
func (s *Server) AdminDN() directory.DN {
	return s.config.baseDN().Child("CN", "Users").Child("CN", s.config.AdminUser)
}

// DomainSID returns the domain's SID.
func (s *Server) DomainSID() migrate.SID {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	return s.store.domain
}

// Authority returns who signed the server's certificate.
func (s *Server) Authority() *Authority { return s.config.Authority }

// Close stops the server and waits for everything it started.
func (s *Server) Close() error {
	s.stop()
	s.shut()
	s.running.Wait()
	return nil
}

func (s *Server) shut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	_ = s.secure.Close()
	_ = s.plain.Close()
	_ = s.global.Close()
	for c := range s.conns {
		_ = c.Close()
	}
}

func (s *Server) accept(l net.Listener, kind conn) {
	for {
		raw, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(acceptPause) // too many open files, say: the next may come
			continue
		}
		if s.track(raw) {
			s.running.Go(func() {
				defer s.untrack(raw)
				s.serve(raw, kind)
			})
		}
	}
}

// track notes a connection, so that shut can close it. False: it came too late.
func (s *Server) track(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = c.Close()
		return false
	}
	s.conns[c] = true
	return true
}

func (s *Server) untrack(c net.Conn) {
	_ = c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}
