package directory_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/migrate"
)

func TestProxiesPrimary(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		proxies directory.Proxies
		want    migrate.SMTPAddress
	}{
		"one":             {directory.Proxies{"smtp:b@x", "SMTP:a@x", "SIP:a@x"}, "a@x"},
		"two":             {directory.Proxies{"SMTP:z@x", "SMTP:a@x"}, "a@x"},
		"lower case only": {directory.Proxies{"smtp:a@x", "Smtp:b@x"}, ""},
		"other types":     {directory.Proxies{"X400:c=DE;s=a;", "SIP:a@x"}, ""},
		"none":            {nil, ""},
	} {
		if got := test.proxies.Primary(); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestProxiesByType(t *testing.T) {
	t.Parallel()
	proxies := directory.Proxies{"SMTP:A@x", "smtp:b@x", "x500:/o=A/cn=b", "X500:/o=B", "SIP:c@x", "MS:A/B/C:D", "odd"}
	if diff := cmp.Diff([]migrate.SMTPAddress{"A@x", "b@x"}, proxies.SMTP()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]migrate.LegacyDN{"/o=A/cn=b", "/o=B"}, proxies.X500()); diff != "" {
		t.Error(diff)
	}
}

// TestHasX500 compares whole values: jsmith is not there because jsmith2 is.
func TestHasX500(t *testing.T) {
	t.Parallel()
	proxies := directory.Proxies{"X500:/o=A/cn=Recipients/cn=jsmith2", "x500:/o=A/cn=b_+1(x).ü"}
	for dn, want := range map[migrate.LegacyDN]bool{
		"/o=A/cn=Recipients/cn=jsmith":  false,
		"/o=A/cn=Recipients/cn=jsmith2": true,
		"/O=a/CN=RECIPIENTS/CN=JSMITH2": true,
		"/o=A/cn=B_+1(X).Ü":             true,
		"/cn=Recipients/cn=jsmith2":     false,
		"":                              false,
	} {
		if got := proxies.HasX500(dn); got != want {
			t.Errorf("%q: got %v, want %v", dn, got, want)
		}
	}
}

func TestHasSMTP(t *testing.T) {
	t.Parallel()
	proxies := directory.Proxies{"SMTP:A@x.test", "SIP:c@x.test", "X500:b@x.test"}
	for addr, want := range map[migrate.SMTPAddress]bool{
		"a@X.test": true, "@x.test": false, "aa@x.test": false, "c@x.test": false, "b@x.test": false,
	} {
		if got := proxies.HasSMTP(addr); got != want {
			t.Errorf("%q: got %v, want %v", addr, got, want)
		}
	}
}
