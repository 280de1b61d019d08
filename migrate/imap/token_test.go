package imap

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"reforest/migrate"
)

func b64(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// tokens hands out the given tokens, the next one when one is refused.
func tokens(list ...string) func(context.Context, string) (string, error) {
	return func(_ context.Context, refused string) (string, error) {
		if len(list) > 1 && list[0] == refused {
			list = list[1:]
		}
		return list[0], nil
	}
}

const (
	first  = "user=ann@alpine.test\x01auth=Bearer tok1\x01\x01"
	second = "user=ann@alpine.test\x01auth=Bearer tok2\x01\x01"
	bearer = "n,a=ann=3D=2C@alpine.test,\x01host=mail.alpine.test\x01port=993\x01auth=Bearer tok1\x01\x01"
)

var (
	whyRefused    = "+ " + b64(`{"status":"401","schemes":"bearer","token":"tok1"}`) + "\r\n"
	whyRefusedToo = "+ " + b64(`{"status":"401","schemes":"bearer","token":"tok2"}`) + "\r\n"
)

func TestLoginWithAToken(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		login   Login
		mailbox string
		caps    []string
		script  []answer
	}{
		"xoauth2":     {XOAuth2, "ann@alpine.test", []string{"SASL-IR"}, []answer{{"AUTHENTICATE XOAUTH2 " + b64(first), "TAG OK [CAPABILITY IMAP4rev1] in\r\n"}}},
		"asked first": {XOAuth2, "ann@alpine.test", nil, []answer{{"AUTHENTICATE XOAUTH2", "+ \r\n"}, {b64(first), "TAG OK [CAPABILITY IMAP4rev1] in\r\n"}}},
		"oauthbearer": {OAuthBearer, "ann=,@alpine.test", []string{"SASL-IR"}, []answer{{"AUTHENTICATE OAUTHBEARER " + b64(bearer), "TAG OK [CAPABILITY IMAP4rev1] in\r\n"}}},
		"expired": {XOAuth2, "ann@alpine.test", []string{"SASL-IR"}, []answer{
			{"AUTHENTICATE XOAUTH2 " + b64(first), whyRefused},
			{"", "TAG NO AUTHENTICATE failed.\r\n"},
			{"AUTHENTICATE XOAUTH2 " + b64(second), "TAG OK in\r\n"},
			{"CAPABILITY", "* CAPABILITY IMAP4rev1\r\nTAG OK\r\n"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := script(t, test.script...)
			c.setCaps(test.caps)
			config := Config{Address: "mail.alpine.test:993", Mailbox: test.mailbox, Login: test.login, Token: tokens("tok1", "tok2")}
			if err := c.login(t.Context(), config); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestATokenThatIsRefused(t *testing.T) {
	t.Parallel()
	busy := "TAG NO [UNAVAILABLE] later\r\n"
	for name, test := range map[string]struct {
		login  Login
		tokens []string
		script []answer
		want   migrate.Error
	}{
		"for good": {XOAuth2, []string{"tok1", "tok2"}, []answer{
			{"AUTHENTICATE XOAUTH2 " + b64(first), whyRefused},
			{"", "TAG NO failed\r\n"},
			{"AUTHENTICATE XOAUTH2 " + b64(second), whyRefusedToo},
			{"", "TAG NO failed\r\n"},
		}, migrate.Error{Reach: migrate.WholeRun, Auth: true}},
		"there is no other": {OAuthBearer, []string{"tok1"}, []answer{
			{"AUTHENTICATE OAUTHBEARER " + b64(strings.Replace(bearer, "=3D=2C", "", 1)), whyRefused}, {"AQ==", "TAG NO failed\r\n"},
		}, migrate.Error{Reach: migrate.WholeRun, Auth: true}},
		"out of service": {XOAuth2, []string{"tok1", "tok2"}, []answer{
			{"AUTHENTICATE XOAUTH2 " + b64(first), busy},
		}, migrate.Error{Reach: migrate.OneServer, Retry: migrate.Later}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := script(t, test.script...)
			c.setCaps([]string{"SASL-IR"})
			config := Config{Address: "mail.alpine.test:993", Mailbox: "ann@alpine.test", Login: test.login, Token: tokens(test.tokens...)}
			err := c.login(t.Context(), config)
			got := migrate.AsError(err)
			if got == nil || got.Reach != test.want.Reach || got.Retry != test.want.Retry || got.Auth != test.want.Auth {
				t.Fatalf("got %+v, want %+v", got, test.want)
			}
			if strings.Contains(err.Error(), "tok1") || strings.Contains(err.Error(), "tok2") {
				t.Errorf("the error shows the token: %v", err)
			}
			if test.want.Auth && !strings.Contains(err.Error(), `"status":"401"`) {
				t.Errorf("the error does not show why: %v", err)
			}
		})
	}
}

func TestATokenThatCannotBeHad(t *testing.T) {
	t.Parallel()
	for name, token := range map[string]func(context.Context, string) (string, error){
		"no file":  func(context.Context, string) (string, error) { return "", errors.New("no such file") },
		"no token": tokens(""),
		"forged":   tokens("a\x01auth=b"),
	} {
		c := script(t)
		err := c.login(t.Context(), Config{Mailbox: "ann", Login: XOAuth2, Token: token})
		if e := migrate.AsError(err); e == nil || e.Auth {
			t.Errorf("%s: %v, want an error before anything is sent", name, err)
		}
	}
	if _, err := (Config{Address: "a:1", Mailbox: "ann", Login: XOAuth2}).withDefaults(); migrate.AsError(err) == nil {
		t.Errorf("without a token: %v", err)
	}
}
