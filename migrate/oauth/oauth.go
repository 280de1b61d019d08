// Package oauth fetches access tokens for mail servers (RFC 6749). It never shows one.
package oauth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"reforest/migrate"
)

const (
	defaultTimeout = 30 * time.Second
	// early is how long before it expires a token is taken for expired: it has to hold
	// until the mail server has looked at it.
	early = 60 * time.Second
	// maxAnswer bounds what is read of the token server, in bytes.
	maxAnswer = 1 << 20
	// maxWords bounds what is shown of it, in bytes.
	maxWords = 300
)

// Config says where tokens come from. There is no way to go without TLS.
type Config struct {
	URL          string        // of the token endpoint, https
	ClientID     string        // of the application
	ClientSecret string        // its password
	Scope        string        // what the token is for; "" leaves it to the server
	CAFile       string        // PEM file of the authorities to trust; "" is the system's
	Timeout      time.Duration // for one request; 0 is 30 s
}

// String names the endpoint and leaves out the secret.
func (c Config) String() string { return c.ClientID + " at " + c.URL }

// GoString is String.
func (c Config) GoString() string { return c.String() }

// LogValue is String.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// A Source fetches tokens by client credentials (RFC 6749 4.4) and keeps the last one
// until shortly before it expires. It may be used by several goroutines.
type Source struct {
	config Config
	client *http.Client
	turn   chan struct{} // holds one token: whoever has it may look at what follows
	kept   string
	until  time.Time // when kept is to be renewed
}

// New returns a Source. It does not ask for a token yet. Its errors are *migrate.Error.
func New(config Config) (*Source, error) {
	endpoint, err := url.Parse(config.URL)
	switch {
	case err != nil || endpoint.Scheme != "https" || endpoint.Host == "":
		return nil, configError(fmt.Errorf("token URL %q: want https://server/path", config.URL))
	case config.ClientID == "" || config.ClientSecret == "":
		return nil, configError(errors.New("a token URL needs a client id and a client secret"))
	}
	if config.Timeout <= 0 {
		config.Timeout = defaultTimeout
	}
	settings, err := trust(config.CAFile)
	if err != nil {
		return nil, configError(err)
	}
	s := &Source{config: config, turn: make(chan struct{}, 1)}
	s.client = &http.Client{
		Timeout:   config.Timeout,
		Transport: &http.Transport{TLSClientConfig: settings, Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
		// The secret is for the server that was named and for no other.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return s, nil
}

func trust(file string) (*tls.Config, error) {
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if file == "" {
		return settings, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read CA file: %w", err)
	}
	settings.RootCAs = x509.NewCertPool()
	if !settings.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read CA file %q: it holds no PEM certificate", file)
	}
	return settings, nil
}

// Token returns a token that is good for a minute at least. refused is one that a server
// has just refused, "" if none has: it is not returned again unless the endpoint does.
// The error is a *migrate.Error, or ctx's cause.
func (s *Source) Token(ctx context.Context, refused string) (string, error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return "", fmt.Errorf("oauth.Token: %w", context.Cause(ctx))
	}
	if s.kept != "" && s.kept != refused && time.Now().Before(s.until) {
		return s.kept, nil
	}
	asked := time.Now()
	answer, err := s.fetch(ctx)
	if err != nil {
		return "", err
	}
	s.kept, s.until = answer.Token, asked.Add(answer.life()-early)
	return s.kept, nil
}

// A grant is the endpoint's answer (RFC 6749 5.1), or its refusal (5.2).
type grant struct {
	Token       string      `json:"access_token"`
	ExpiresIn   json.Number `json:"expires_in"`
	Error       string      `json:"error"`
	Description string      `json:"error_description"`
}

// life is how long the token is good for; nothing where the server does not say.
func (g grant) life() time.Duration {
	seconds, err := strconv.ParseInt(strings.Trim(g.ExpiresIn.String(), `"`), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

func (s *Source) fetch(ctx context.Context) (grant, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {s.config.ClientID}, "client_secret": {s.config.ClientSecret}}
	if s.config.Scope != "" {
		form.Set("scope", s.config.Scope)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.config.URL, strings.NewReader(form.Encode()))
	if err != nil {
		return grant{}, configError(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return grant{}, unreachable(ctx, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return grant{}, unreachable(ctx, err)
	}
	var g grant
	err = json.Unmarshal(body, &g)
	if response.StatusCode == http.StatusOK && err == nil && g.Token != "" {
		return g, nil
	}
	return grant{}, s.refused(response, g)
}

// refused makes the error of an answer that holds no token.
func (s *Source) refused(response *http.Response, g grant) error {
	words := strings.Join(strings.Fields(g.Error+" "+g.Description), " ")
	words = strings.ReplaceAll(words, s.config.ClientSecret, "[redacted]")
	err := fmt.Errorf("%s answers %s: %q", response.Request.URL.Host, response.Status, words[:min(len(words), maxWords)])
	e := &migrate.Error{Op: "oauth.Token", Reach: migrate.OneServer, Retry: migrate.Later, Err: err}
	switch {
	case response.StatusCode == http.StatusTooManyRequests:
		e.Busy, e.After = true, retryAfter(response)
	case response.StatusCode >= 500:
		e.After = retryAfter(response)
	default:
		e.Reach, e.Retry, e.Auth = migrate.WholeRun, migrate.Never, true
		e.Hint = "check the token URL, the client id, the client secret and the scope"
	}
	return e
}

// retryAfter reads Retry-After in its form of seconds (RFC 9110 10.2.3), up to a day.
func retryAfter(response *http.Response) time.Duration {
	seconds, err := strconv.ParseInt(response.Header.Get("Retry-After"), 10, 31)
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, 24*time.Hour)
}

func unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("oauth.Token: %w", context.Cause(ctx))
	}
	return &migrate.Error{Op: "oauth.Token", Reach: migrate.OneServer, Retry: migrate.Later, Err: fmt.Errorf("ask for an access token: %w", err)}
}

func configError(err error) error {
	return &migrate.Error{Op: "oauth.New", Reach: migrate.WholeRun, Err: err}
}
