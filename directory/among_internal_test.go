package directory

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestAmong: a long list is searched by keys, and says the same as a short one that is
// searched value by value.
func TestAmong(t *testing.T) {
	t.Parallel()
	filler := make([][]byte, fewValues+1)
	for i := range filler {
		filler[i] = fmt.Appendf(nil, "CN=filler %d,DC=x", i)
	}
	word := rapid.SampledFrom([]string{
		"a", "A", "ſ", "s", "S", "K", "K", "k", "ß", "É", "é", "e", "CN=a,DC=x", "cn=A, dc=X", `CN=a\2Cb,DC=x`, `CN=a\,b,DC=x`,
		"\xff", "\xfe", "�", "", "İ", "i",
	})
	rapid.Check(t, func(t *rapid.T) {
		attr := rapid.SampledFrom([]string{"proxyAddresses", "member", "thumbnailPhoto", "MEMBER"}).Draw(t, "attr")
		have := texts(rapid.SliceOfN(word, 0, 5).Draw(t, "have")...)
		value := []byte(word.Draw(t, "value"))
		long := slices.Concat(have, filler)
		if got, want := among(attr, long)(value), contains(attr, have, value); got != want {
			t.Fatalf("%s %q among %q: got %v, want %v", attr, value, have, got, want)
		}
		if got, want := amongExactly(attr, long)(value), amongExactly(attr, have)(value); got != want {
			t.Fatalf("%s exactly %q among %q: got %v, want %v", attr, value, have, got, want)
		}
		short := distinctValues(attr, have)
		if got := distinctValues(attr, long); !slices.EqualFunc(got[:len(short)], short, slices.Equal) || len(got) != len(short)+len(filler) {
			t.Fatalf("distinct %s of %q: got %q, want %q and the filler", attr, have, got, short)
		}
	})
}
