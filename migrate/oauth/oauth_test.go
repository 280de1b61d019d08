package oauth_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"reforest/migrate"
	"reforest/migrate/oauth"
)

const clientSecret = "hush-hush"

// endpoint is a token server that hands out t1, t2, ... as the answer says.
type endpoint struct {
	*httptest.Server
	mu     sync.Mutex
	asked  int
	form   url.Values
	answer func(w http.ResponseWriter, n int)
}

func newEndpoint(t *testing.T, answer func(http.ResponseWriter, int)) (*endpoint, oauth.Config) {
	t.Helper()
	e := &endpoint{answer: answer}
	e.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		defer e.mu.Unlock()
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		e.asked++
		e.form = r.PostForm
		e.answer(w, e.asked)
	}))
	t.Cleanup(e.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: e.Certificate().Raw})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return e, oauth.Config{URL: e.URL + "/token", ClientID: "mover", ClientSecret: clientSecret, Scope: "mail.all", CAFile: file}
}

func expiring(seconds int) func(http.ResponseWriter, int) {
	return func(w http.ResponseWriter, n int) {
		_, _ = fmt.Fprintf(w, `{"access_token":"t%d","token_type":"Bearer","expires_in":%d}`, n, seconds)
	}
}

func mustToken(t *testing.T, s *oauth.Source, refused, want string) {
	t.Helper()
	if got, err := s.Token(t.Context(), refused); err != nil || got != want {
		t.Errorf("token %q, %v; want %q", got, err, want)
	}
}

func TestATokenIsKeptUntilItIsRefused(t *testing.T) {
	t.Parallel()
	e, config := newEndpoint(t, expiring(3600))
	s, err := oauth.New(config)
	if err != nil {
		t.Fatal(err)
	}
	mustToken(t, s, "", "t1")
	mustToken(t, s, "", "t1")
	mustToken(t, s, "t1", "t2")
	mustToken(t, s, "t1", "t2") // another connection was refused the same one
	if want := "client_id=mover&client_secret=hush-hush&grant_type=client_credentials&scope=mail.all"; e.form.Encode() != want {
		t.Errorf("asked with %s, want %s", e.form.Encode(), want)
	}
}

func TestATokenIsRenewedAMinuteBeforeItExpires(t *testing.T) {
	t.Parallel()
	for seconds, second := range map[int]string{90: "t1", 60: "t2", 0: "t2"} {
		_, config := newEndpoint(t, expiring(seconds))
		s, err := oauth.New(config)
		if err != nil {
			t.Fatal(err)
		}
		mustToken(t, s, "", "t1")
		mustToken(t, s, "", second)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status int
		body   string
		want   migrate.Error
	}{
		"wrong secret": {401, `{"error":"invalid_client","error_description":"no client of secret hush-hush"}`, migrate.Error{Reach: migrate.WholeRun, Auth: true}},
		"busy":         {429, `{}`, migrate.Error{Reach: migrate.OneServer, Retry: migrate.Later, After: 7 * time.Second, Busy: true}},
		"broken":       {503, `<html>`, migrate.Error{Reach: migrate.OneServer, Retry: migrate.Later, After: 7 * time.Second}},
		"no token":     {200, `{}`, migrate.Error{Reach: migrate.WholeRun, Auth: true}},
		"elsewhere":    {302, ``, migrate.Error{Reach: migrate.WholeRun, Auth: true}},
	} {
		_, config := newEndpoint(t, func(w http.ResponseWriter, _ int) {
			w.Header().Set("Retry-After", "7")
			w.Header().Set("Location", "https://elsewhere.test/")
			w.WriteHeader(test.status)
			_, _ = w.Write([]byte(test.body))
		})
		s, err := oauth.New(config)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Token(t.Context(), "")
		got := migrate.AsError(err)
		if got == nil || got.Reach != test.want.Reach || got.Retry != test.want.Retry || got.After != test.want.After || got.Busy != test.want.Busy || got.Auth != test.want.Auth {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
		if err != nil && strings.Contains(err.Error(), clientSecret) {
			t.Errorf("%s: the error shows the secret: %v", name, err)
		}
	}
}

func TestAnEndpointThatIsNotTrustedOrNotThere(t *testing.T) {
	t.Parallel()
	e, config := newEndpoint(t, expiring(60))
	config.CAFile = ""
	s, err := oauth.New(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Token(t.Context(), ""); migrate.AsError(err) == nil || e.asked != 0 {
		t.Errorf("without its CA: %v, asked %d times", err, e.asked)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("the window has closed")
	cancel(cause)
	if _, err := s.Token(ctx, ""); !errors.Is(err, cause) {
		t.Errorf("cancelled: %v, want %v", err, cause)
	}
	for _, bad := range []oauth.Config{
		{URL: "http://login.test/token", ClientID: "a", ClientSecret: "b"},
		{URL: "https://login.test/", ClientID: "a"},
		{URL: "https://login.test/", ClientID: "a", ClientSecret: "b", CAFile: "not-there.pem"},
	} {
		if _, err := oauth.New(bad); migrate.AsError(err) == nil {
			t.Errorf("%v: no error", bad)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v", config, config, config); strings.Contains(text, clientSecret) {
		t.Errorf("printed as %s", text)
	}
}
