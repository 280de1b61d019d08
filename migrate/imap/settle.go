package imap

import (
	"bufio"
	"compress/flate"
	"context"
	"fmt"
	"io"
	"strings"
)

// maxIdentity is how much of what a server says of itself is kept, in bytes.
const maxIdentity = 200

// settle prepares a connection that has just been logged in.
func (c *Conn) settle(ctx context.Context, config Config) error {
	if err := c.identify(ctx, config.Version); err != nil {
		return err
	}
	if config.Compress && c.Offers("COMPRESS=DEFLATE") {
		return c.compress(ctx)
	}
	return nil
}

// identify tells the server who is there and asks the same (RFC 2971). Nobody waits for
// the answer: it is for logs, and is read along with that of the next command.
func (c *Conn) identify(ctx context.Context, version string) error {
	if !c.Offers("ID") {
		return nil
	}
	fields := []part{raw(`ID ("name" "reforest"`)}
	if version != "" && quotable(version) {
		fields = append(fields, raw(` "version" `), astring(version))
	}
	_, err := c.send(ctx, "imap.ID", c.takeIdentity, append(fields, raw(")"))...)
	return err
}

func (c *Conn) takeIdentity(r reply) error {
	if r.name != "ID" {
		return nil
	}
	v, err := r.lex.value()
	if err != nil {
		return err
	}
	fields := map[string]string{}
	for i := 0; i+1 < len(v.list); i += 2 {
		if !v.list[i+1].isNil() {
			fields[strings.ToLower(v.list[i].text)] = v.list[i+1].text
		}
	}
	words := printable(strings.TrimSpace(fields["name"] + " " + fields["version"]))
	c.identity = words[:min(len(words), maxIdentity)]
	return nil
}

// Identity is what the server said of itself: its name and version, such as "Dovecot". It
// is "" where it does not say, and until one more command has been answered.
func (c *Conn) Identity() string { return strings.ToValidUTF8(c.identity, "") }

// compress makes everything from here on travel compressed (RFC 4978). A server that
// declines goes on as before.
func (c *Conn) compress(ctx context.Context) error {
	s, err := c.do(ctx, "imap.Compress", nil, raw("COMPRESS DEFLATE"))
	if err != nil || !s.ok() {
		return err
	}
	out, err := flate.NewWriter(c.net, flate.DefaultCompression)
	if err != nil {
		return fmt.Errorf("begin to compress: %w", err)
	}
	// What the server has compressed already may lie in the reader that there is.
	c.lex = &lexer{r: bufio.NewReaderSize(flate.NewReader(c.lex.r), ioBuffer)}
	c.out = bufio.NewWriterSize(flushWriter{out}, ioBuffer)
	return nil
}

// A flushWriter sends all that is written to it at once. It stands behind a buffer, so
// that what the buffer's Flush lets go reaches the server.
type flushWriter struct{ *flate.Writer }

func (w flushWriter) Write(b []byte) (int, error) {
	n, err := w.Writer.Write(b)
	if err != nil {
		return n, err
	}
	return n, w.Flush()
}

var _ io.Writer = flushWriter{}
