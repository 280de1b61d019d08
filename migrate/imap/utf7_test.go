package imap

import "testing"

func TestUTF7(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, wire string }{
		{"INBOX", "INBOX"},
		{"R&D", "R&-D"},
		{"&&", "&-&-"},
		{"Ärger & Öl", "&AMQ-rger &- &ANY-l"},
		{"~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"}, // RFC 3501 5.1.3
		{"🎄", "&2DzfhA-"},
		{"a\tb", "a&AAk-b"},
		{"", ""},
	} {
		if got := encodeUTF7(test.text); got != test.wire {
			t.Errorf("encode(%q) = %q, want %q", test.text, got, test.wire)
		}
		if got, err := decodeUTF7(test.wire); err != nil || got != test.text {
			t.Errorf("decode(%q) = %q, %v; want %q", test.wire, got, err, test.text)
		}
	}
}

func TestUTF7RefusesOtherSpellings(t *testing.T) {
	t.Parallel()
	for _, wire := range []string{"&", "&AMQ", "&AGE-", "&AMQ-&ANY-", "&2Dw-", "&AMQ=-", "&A-", "Ärger", "\xff", "&AMQ\n-"} {
		if got, err := decodeUTF7(wire); err == nil {
			t.Errorf("decode(%q) = %q, want an error", wire, got)
		}
	}
}

func FuzzUTF7(f *testing.F) {
	for _, seed := range []string{"INBOX", "&U,BTFw-", "R&-D", "&2Dzfhg-", "日本語", "a&b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		// Whatever decodes is the one spelling of its text.
		if text, err := decodeUTF7(s); err == nil && encodeUTF7(text) != s {
			t.Errorf("decode(%q) = %q, which encodes as %q", s, text, encodeUTF7(text))
		}
		// Whatever is text survives the wire.
		wire := encodeUTF7(s)
		if back, err := decodeUTF7(wire); err != nil || back != string([]rune(s)) {
			t.Errorf("decode(encode(%q)) = %q, %v", s, back, err)
		}
	})
}
