package imapd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"sync"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// Config says how the server is reached and who may log in. Whoever has no TLS
// cannot.
type Config struct {
	Address     string            // host:port; default 127.0.0.1:0, a free port
	Certificate tls.Certificate   // the server's certificate and key
	StartTLS    bool              // begin in the clear and offer STARTTLS; default is TLS from the start
	Users       map[string]string // passwords by user name; each gets a mailbox with an inbox
	Admins      map[string]string // passwords of those who may open any mailbox
	Delimiter   rune              // between folder names; default '/'
	Cyrus       bool              // refuse bare newlines and malformed headers, as Cyrus does; default is to mend newlines, as Dovecot does
	Without     []imap.Cap        // capabilities not to offer, such as LITERAL+
}

// A Server is a running IMAP server.
type Server struct {
	config   Config
	listener net.Listener
	imap     *imapserver.Server
	serving  sync.WaitGroup
	detach   func() bool

	mu       sync.Mutex
	boxes    map[string]*box
	quotas   map[string]int64 // bytes by user name; who is not in it has none
	faults   []*Fault
	validity uint32        // the last UIDVALIDITY given
	changed  chan struct{} // closed, and made anew, at every change
}

// Start listens and serves until ctx is done or Close is called.
func Start(ctx context.Context, config Config) (*Server, error) {
	if config.Address == "" {
		config.Address = "127.0.0.1:0"
	}
	if config.Delimiter == 0 {
		config.Delimiter = '/'
	}
	if len(config.Certificate.Certificate) == 0 {
		return nil, errors.New("start IMAP server: no certificate")
	}
	config.Users = maps.Clone(config.Users) // SetUser adds to it
	if config.Users == nil {
		config.Users = map[string]string{}
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", config.Address)
	if err != nil {
		return nil, fmt.Errorf("start IMAP server: %w", err)
	}
	s := &Server{config: config, listener: listener, boxes: map[string]*box{}, quotas: map[string]int64{}, changed: make(chan struct{})}
	for user := range config.Users {
		s.boxes[user] = s.newBox()
	}
	s.serve()
	s.detach = context.AfterFunc(ctx, func() { _ = s.imap.Close() })
	return s, nil
}

func (s *Server) serve() {
	secure := &tls.Config{Certificates: []tls.Certificate{s.config.Certificate}, MinVersion: tls.VersionTLS12}
	options := &imapserver.Options{
		NewSession: s.newSession,
		Caps:       s.caps(),
		// What the library would log are broken connections, which the rehearsal breaks itself.
		Logger: log.New(io.Discard, "", 0),
	}
	listener := s.listener
	if s.config.StartTLS {
		options.TLSConfig = secure
	} else {
		listener = tls.NewListener(listener, secure)
	}
	if s.offersQuota() || s.offersACL() {
		listener = quotaListener{listener, s}
		options.InsecureAuth = true // the library does not see that TLS lies below
	}
	s.imap = imapserver.New(options)
	// Serve ends when Close closes the listener; any other end is a listener that
	// broke, which every client will notice.
	s.serving.Go(func() { _ = s.imap.Serve(listener) })
}

func (s *Server) caps() imap.CapSet {
	caps := imap.CapSet{}
	for _, c := range []imap.Cap{
		imap.CapIMAP4rev1, imap.CapNamespace, imap.CapUIDPlus, imap.CapESearch, imap.CapListExtended, imap.CapListStatus,
		imap.CapMove, imap.CapStatusSize, imap.CapChildren, imap.CapSpecialUse, imap.CapCreateSpecialUse, imap.CapLiteralPlus,
	} {
		caps[c] = struct{}{}
	}
	for _, c := range s.config.Without {
		delete(caps, c)
	}
	return caps
}

// Addr returns the host:port where the server listens.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close ends all connections and stops listening. It may be called again.
func (s *Server) Close() error {
	if !s.detach() { // ctx is done, or this is not the first call
		s.serving.Wait()
		return nil
	}
	err := s.imap.Close()
	_ = s.listener.Close()
	s.serving.Wait()
	if err != nil {
		return fmt.Errorf("close IMAP server: %w", err)
	}
	return nil
}

// SetUser adds a user with an empty mailbox, or gives one that is there a new
// password.
func (s *Server) SetUser(user, password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config.Users[user] = password
	if s.boxes[user] == nil {
		s.boxes[user] = s.newBox()
	}
}
