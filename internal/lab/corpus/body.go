package corpus

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

type kind int

const (
	plain      kind = iota
	headerOnly      // no body at all
	rawHeader       // bytes above 127 in the header, which nothing allows
)

// leastSize is more than the header of any message has, in bytes.
const leastSize = 400

// A Message is one message; two equal ones are the same to the byte.
type Message struct {
	Size     int // bytes of its body
	Received time.Time
	Flags    []string
	seed     uint64
	id       string // Message-ID; "" if it has none
	kind     kind
}

// Append puts the message's bytes behind dst, Size of them, in CRLF form.
func (m Message) Append(dst []byte) []byte {
	end := len(dst) + m.Size
	dst = m.header(dst)
	if m.kind == headerOnly {
		return append(pad(dst, end-len("\r\n\r\n")), "\r\n\r\n"...)
	}
	dst = append(dst, "\r\n\r\n"...)
	words := text()
	for from := int(m.seed%(lines/2)) * lineBytes; len(dst) < end-len("\r\n"); from = 0 {
		dst = append(dst, words[from:min(len(words), from+end-len("\r\n")-len(dst))]...)
	}
	// The cut may have left half a line end.
	if dst[len(dst)-1] == '\r' {
		dst[len(dst)-1] = '.'
	}
	return append(dst, "\r\n"...)
}

// header appends the header without the end of its last line.
func (m Message) header(dst []byte) []byte {
	dst = fmt.Appendf(dst, "From: Dorothy Gale <dorothy@alpine.test>\r\nTo: The Wizard <oz@alpine.test>\r\nDate: %s\r\n", m.Received.Format(time.RFC1123Z))
	if m.id != "" {
		dst = fmt.Appendf(dst, "Message-ID: %s\r\n", m.id)
	}
	if m.kind == rawHeader {
		dst = append(dst, "X-Raw: Gr\xfc\xdfe \xe6\x97\xa5\r\n"...)
	}
	return fmt.Appendf(dst, "Subject: report %x", m.seed)
}

// pad lengthens the last header line.
func pad(dst []byte, length int) []byte {
	return append(dst, bytes.Repeat([]byte{'.'}, length-len(dst))...)
}

// What text has, and how long each line of it is with its end.
const lines, lineBytes = 27_000, 78

// text is 2 MB of made-up lines. A body is a piece of it: making one
// costs no more than copying it.
var text = sync.OnceValue(func() []byte {
	random := rand.New(rand.NewPCG(2003, 2))
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	words := make([]byte, 0, lines*lineBytes)
	for range lines {
		for range lineBytes - len("\r\n") {
			words = append(words, letters[random.IntN(len(letters))])
		}
		words = append(words, "\r\n"...)
	}
	return words
})
