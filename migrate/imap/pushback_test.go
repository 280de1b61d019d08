package imap

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"reforest/migrate"
)

func TestAdvice(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]time.Duration{
		"Request is throttled. Suggested Backoff Time: 299961 milliseconds": 299961 * time.Millisecond,
		"Too much, try again in 5 minutes":                                  5 * time.Minute,
		"Server busy. Please retry after 30 seconds.":                       30 * time.Second,
		"please wait 1 hour":                                                time.Hour,
		"try again later":                                                   0,
		"mailbox holds 5 minutes of video":                                  0,
		"try again in 999999 hours":                                         longestAdvice,
		"Suggested Backoff Time: 9999999999 ms":                             longestAdvice,
		"wait 10 s":                                                         10 * time.Second,
		"wait 10 seals":                                                     0,
	} {
		if got := advice(words); got != want {
			t.Errorf("%q: %v, want %v", words, got, want)
		}
	}
}

func TestPushback(t *testing.T) {
	t.Parallel()
	type verdict struct {
		retry migrate.Retry
		after time.Duration
		busy  bool
		auth  bool
	}
	later := verdict{retry: migrate.Later}
	busy := verdict{retry: migrate.Later, busy: true}
	for words, want := range map[string]struct{ login, append verdict }{
		"NO [LIMIT] Too many connections":                                                                       {busy, busy},
		"NO [ALERT] Too many simultaneous connections. (Fail)":                                                  {busy, busy},
		"NO [UNAVAILABLE] Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)": {busy, busy},
		"NO Request is throttled. Suggested Backoff Time: 299961 milliseconds": {
			verdict{retry: migrate.Later, after: 299961 * time.Millisecond, busy: true},
			verdict{retry: migrate.Later, after: 299961 * time.Millisecond, busy: true},
		},
		"NO [OVERQUOTA] Account exceeded command or bandwidth limits.": {busy, busy},
		"NO [OVERQUOTA] Mailbox is full":                               {verdict{auth: true}, later},
		"NO [UNAVAILABLE] Temporary failure":                           {later, later},
		"NO [INUSE] Somebody else is at it":                            {later, later},
		"NO [SERVERBUG] Oops":                                          {later, later},
		"NO [LIMIT] That is enough":                                    {later, later},
		"NO [AUTHENTICATIONFAILED] Wrong password":                     {verdict{auth: true}, verdict{}},
	} {
		kind, rest, _ := strings.Cut(words, " ")
		s := parseStatus(kind, rest)
		for name, got := range map[string]*migrate.Error{"login": refusedLogin(s), "append": refused("imap.Append", s, migrate.OneItem, migrate.Never)} {
			wanted := want.login
			if name == "append" {
				wanted = want.append
			}
			if v := (verdict{got.Retry, got.After, got.Busy, got.Auth}); v != wanted {
				t.Errorf("%s answered with %q: %+v, want %+v", name, words, v, wanted)
			}
			if wanted.retry == migrate.Later && got.Reach == migrate.OneItem {
				t.Errorf("%s answered with %q costs an item", name, words)
			}
		}
	}
}

// A BYE with a wait in it says how long, whatever command it comes in.
func TestByeWithAWait(t *testing.T) {
	t.Parallel()
	c := script(t, answer{"NOOP", "* BYE Too busy, try again in 5 minutes\r\n"})
	_, err := c.do(t.Context(), "imap.Noop", nil, raw("NOOP"))
	e := migrate.AsError(err)
	if e == nil || !e.Busy || e.After != 5*time.Minute || !strings.Contains(err.Error(), "Too busy") {
		t.Errorf("got %+v, want a wait of five minutes with the server's words", err)
	}
}

func crowd(t *testing.T, s *Server) {
	t.Helper()
	s.judge(&migrate.Error{Err: parseStatus("NO", "[LIMIT] Too many connections")})
}

func mustEnter(t *testing.T, s *Server) (leave func()) {
	t.Helper()
	leave, err := s.enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return leave
}

// A server that takes four connections is found to do so, and is asked again later.
func TestAServerGetsFewerConnectionsAndThenMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var told []int
		s := NewServer(Limits{Quiet: time.Minute, Notify: func(n int, _ string) { told = append(told, n) }})
		var leave []func()
		for range 6 {
			leave = append(leave, mustEnter(t, s))
		}
		for _, refused := range leave[4:] {
			crowd(t, s)
			refused()
		}
		if got := s.Room(); got != 4 {
			t.Errorf("room for %d, want 4", got)
		}
		time.Sleep(3 * time.Minute)
		if got := s.Room(); got != 0 {
			t.Errorf("after a quiet while there is room for %d, want any number", got)
		}
		if want := []int{5, 4, 0}; !slices.Equal(told, want) {
			t.Errorf("told of %v, want %v", told, want)
		}
		for _, l := range leave[:4] {
			l()
		}
	})
}

func TestTheCeilingGoesUpOneByOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := NewServer(Limits{Connections: 4, Quiet: time.Minute})
		var leave []func()
		for range 4 {
			leave = append(leave, mustEnter(t, s))
		}
		crowd(t, s)
		leave[3]()
		crowd(t, s)
		leave[2]()
		var rooms []int
		for range 4 {
			rooms = append(rooms, s.Room())
			time.Sleep(time.Minute)
		}
		if got, want := rooms, []int{2, 3, 4, 4}; !slices.Equal(got, want) {
			t.Errorf("room for %v, minute by minute, want %v", got, want)
		}
		leave[0]()
		leave[1]()
	})
}

func TestConnectionsOfOneUserConcernNobodyElse(t *testing.T) {
	t.Parallel()
	s := NewServer(Limits{})
	defer mustEnter(t, s)()
	s.judge(&migrate.Error{Err: parseStatus("NO", "Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)")})
	if got := s.Room(); got != 0 {
		t.Errorf("room for %d, want any number", got)
	}
}

func TestALoginWaitsUntilThereIsRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := NewServer(Limits{Connections: 1, Patience: time.Minute})
		leave := mustEnter(t, s)
		go func() {
			time.Sleep(30 * time.Second)
			leave()
			leave() // twice is once
		}()
		began := time.Now()
		second := mustEnter(t, s)
		if waited := time.Since(began); waited != 30*time.Second {
			t.Errorf("waited %v, want until the first was closed", waited)
		}
		_, err := s.enter(t.Context())
		if e := migrate.AsError(err); e == nil || !e.Busy || e.Retry != migrate.Later || time.Since(began) != 90*time.Second {
			t.Errorf("a third: %v after %v, want it to be told to wait after a minute", err, time.Since(began))
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("the window has closed")
		cancel(cause)
		if _, err := s.enter(ctx); !errors.Is(err, cause) {
			t.Errorf("cancelled: %v, want %v", err, cause)
		}
		second()
	})
}

// The time is the bubble's, so that what is measured is what was waited and nothing else.
func TestLimitsOfSpeed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := NewServer(Limits{BytesPerSecond: ioBuffer, MessagesPerSecond: 10})
		closed := make(chan struct{})
		began := time.Now()
		for range 11 { // the first is free, as a burst
			s.payBytes(closed, ioBuffer)
		}
		if got := time.Since(began); got != 10*time.Second {
			t.Errorf("11 buffers took %v at one a second, want 10 s", got)
		}
		began = time.Now()
		if err := s.payMessages(t.Context(), 110); err != nil {
			t.Fatal(err)
		}
		if got := time.Since(began).Round(time.Millisecond); got != 10*time.Second {
			t.Errorf("110 messages took %v at ten a second, want 10 s", got)
		}
		close(closed)
		began = time.Now()
		s.payBytes(closed, ioBuffer)
		if got := time.Since(began); got != 0 {
			t.Errorf("a closed connection waited %v", got)
		}
	})
}

// What travels is counted, in both directions, and messages as they are fetched and
// appended.
func TestWhatTravelsCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := script(t,
			answer{`APPEND "F" {5+}`, ""}, answer{"hello", "TAG OK [APPENDUID 9 7] done\r\n"},
			answer{"UID FETCH 7 (UID BODY.PEEK[])", "* 1 FETCH (UID 7 BODY[] {5}\r\nhello)\r\nTAG OK done\r\n"})
		c.setCaps([]string{"LITERAL+"})
		s := NewServer(Limits{BytesPerSecond: ioBuffer, MessagesPerSecond: 100})
		c.share(s, func() {})
		item := &migrate.Item{ID: "1.1", Size: 5, Body: strings.NewReader("hello")}
		if _, err := scriptedTarget(t, c).Write(t.Context(), "F", []*migrate.Item{item}); err != nil {
			t.Fatal(err)
		}
		if got := s.messages.Tokens(); got != 99 {
			t.Errorf("after one APPEND %v messages are left, want 99", got)
		}
		left := s.bytes.Tokens()
		if sent := len("r1 APPEND \"F\" {5+}\r\nhello\r\n") + len("r1 OK [APPENDUID 9 7] done\r\n"); left != float64(ioBuffer-sent) {
			t.Errorf("%v bytes are left, want %d less than %d", left, sent, ioBuffer)
		}
		onBody := func(fetched, content) error { return nil }
		if _, err := c.uidFetch(t.Context(), "7", "UID BODY.PEEK[]", nil, onBody); err != nil {
			t.Fatal(err)
		}
		if got := s.messages.Tokens(); got != 98 || s.bytes.Tokens() >= left {
			t.Errorf("after a FETCH %v messages and %v bytes are left, want 98 and less than %v", got, s.bytes.Tokens(), left)
		}
	})
}
