package imap

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"reforest/migrate"
)

// Defaults of Limits.
const (
	defaultQuiet    = 2 * time.Minute
	defaultPatience = 30 * time.Second
)

// Limits bound what all connections to one server do together.
type Limits struct {
	Connections       int           // at once; 0 is any number
	BytesPerSecond    int64         // read and written; 0 is any number
	MessagesPerSecond float64       // fetched and appended; 0 is any number
	Quiet             time.Duration // after which one connection more is tried again; 0 is 2 min
	Patience          time.Duration // for which a login waits until another connection is closed; 0 is 30 s

	// Notify is told when the server takes fewer connections than before, or one more
	// is tried again: how many (0 is any number) and why. It must not ask the Server
	// anything. nil is nobody.
	Notify func(connections int, reason string)
}

// A Server is what all connections to one server share. A server that refuses a
// connection because there are too many gets one less from then on, and one more again
// whenever it has been quiet for a while. nil is a server without bounds.
type Server struct {
	limits   Limits
	bytes    *rate.Limiter // nil: no limit
	messages *rate.Limiter

	mu      sync.Mutex
	open    int           // connections
	ceiling int           // of them since the server refused one; 0: as configured
	top     int           // at which the ceiling is lifted
	since   time.Time     // when the ceiling was last set
	freed   chan struct{} // closed and made anew when there may be room
}

// NewServer returns a Server.
func NewServer(limits Limits) *Server {
	if limits.Quiet <= 0 {
		limits.Quiet = defaultQuiet
	}
	if limits.Patience <= 0 {
		limits.Patience = defaultPatience
	}
	if limits.Notify == nil {
		limits.Notify = func(int, string) {}
	}
	s := &Server{limits: limits, freed: make(chan struct{})}
	if n := limits.BytesPerSecond; n > 0 {
		s.bytes = rate.NewLimiter(rate.Limit(n), int(min(max(n, ioBuffer), math.MaxInt32)))
	}
	if n := limits.MessagesPerSecond; n > 0 {
		s.messages = rate.NewLimiter(rate.Limit(n), max(int(n), 1))
	}
	return s
}

// Room returns how many connections the server takes at once at present; 0 is any number.
func (s *Server) Room() int {
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.room(time.Now())
}

// room raises the ceiling by one for each quiet while that has passed, and lifts it when
// there are as many as the server refused the first time.
func (s *Server) room(now time.Time) int {
	was := s.ceiling
	for s.ceiling > 0 && now.Sub(s.since) >= s.limits.Quiet {
		s.ceiling++
		s.since = s.since.Add(s.limits.Quiet)
		if s.ceiling >= s.top {
			s.ceiling = 0
		}
	}
	bound := s.bound()
	if s.ceiling != was {
		s.limits.Notify(bound, "the server has been quiet for a while")
	}
	return bound
}

func (s *Server) bound() int {
	if s.ceiling > 0 {
		return s.ceiling
	}
	return s.limits.Connections
}

// enter waits until there is room for one more connection. The returned function says
// that it is closed; it may be called more than once. The error is a *migrate.Error that
// is Busy, or ctx's cause.
func (s *Server) enter(ctx context.Context) (leave func(), err error) {
	if s == nil {
		return func() {}, nil
	}
	patience := time.NewTimer(s.limits.Patience)
	defer patience.Stop()
	for {
		entered, freed := s.tryEnter()
		if entered {
			return sync.OnceFunc(s.leave), nil
		}
		select {
		case <-freed:
		case <-patience.C:
			return nil, s.full()
		case <-ctx.Done():
			return nil, lost(ctx, "imap.Dial", ctx.Err())
		}
	}
}

func (s *Server) tryEnter() (entered bool, freed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.room(time.Now()); n > 0 && s.open >= n {
		return false, s.freed
	}
	s.open++
	return true, nil
}

func (s *Server) full() error {
	err := fmt.Errorf("all %d connections that the server takes are in use", s.Room())
	return &migrate.Error{Op: "imap.Dial", Reach: migrate.OneServer, Retry: migrate.Later, Busy: true, Err: err}
}

func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	close(s.freed)
	s.freed = make(chan struct{})
}

// judge takes over why a connection has ended, while it still counts as open: where the
// server has too many, from now on there are fewer. An error of another kind is nothing
// to it.
func (s *Server) judge(err error) {
	var words status
	if s == nil || !errors.As(err, &words) || !words.crowded() || words.ofOneUser() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ceiling == 0 {
		s.top = s.open
		if n := s.limits.Connections; n > 0 {
			s.top = n
		}
	}
	fewer := s.open - 1
	if n := s.room(time.Now()); n > 0 {
		fewer = min(fewer, n)
	}
	s.ceiling, s.since = max(fewer, 1), time.Now()
	s.top = max(s.top, s.ceiling+1)
	s.limits.Notify(s.ceiling, words.Error())
}

// payBytes waits until n bytes may have travelled, or closed is.
func (s *Server) payBytes(closed <-chan struct{}, n int) {
	if s == nil || s.bytes == nil || n <= 0 {
		return
	}
	delay := s.bytes.ReserveN(time.Now(), n).Delay()
	if delay <= 0 {
		return
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-closed: // the next use of the connection says so
	}
}

// payMessages waits until n messages may travel.
func (s *Server) payMessages(ctx context.Context, n int) error {
	if s == nil || s.messages == nil {
		return nil
	}
	for n > 0 {
		some := min(n, s.messages.Burst())
		if err := s.messages.WaitN(ctx, some); err != nil {
			return fmt.Errorf("wait for the limit of messages per second: %w", err)
		}
		n -= some
	}
	return nil
}
