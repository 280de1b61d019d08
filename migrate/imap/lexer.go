package imap

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

const (
	maxLine  = 1 << 20  // bytes of one response, message bodies not counted
	maxPast  = 64 << 20 // bytes of a line that are read past before its end is given up
	maxTail  = 32       // bytes at a line's end that may announce a literal
	maxDepth = 64       // of nested lists
)

var (
	// errSyntax is a response that cannot be understood. It ends at its line's end,
	// so that the connection stays usable.
	errSyntax = errors.New("malformed response")
	// errTooLong is a line beyond maxLine. Its beginning is kept, the rest is read past.
	errTooLong = fmt.Errorf("%w: longer than 1 MB", errSyntax)
	// errEndless is a line of which no end is in sight: the connection is not usable.
	errEndless = errors.New("line without an end")
)

// A lexer reads one response after another. A response is a line of text with
// literals in it (RFC 9051 4.3): text, literal, text, and so on.
type lexer struct {
	r       *bufio.Reader
	line    []byte         // the text being read, without its CRLF
	end     int            // where the values in line end: before the {n} of a literal
	pos     int            // what has been read of line
	literal int64          // bytes of the literal after line; -1 if there is none
	budget  int            // bytes this response may still take in memory
	open    *literalReader // the literal that is being streamed, if any

	// bodyLast says that a message's body has to be the last of what is told of it. So one
	// that is not as long as announced is known by what follows it, with near certainty.
	bodyLast bool
}

// start reads the first text of the next response. After errTooLong the text's beginning
// can be read; skip finds the response's end as ever.
func (x *lexer) start() error {
	x.budget = maxLine
	return x.readLine()
}

func (x *lexer) readLine() error {
	x.line, x.pos, x.end, x.literal = x.line[:0], 0, 0, -1
	for {
		part, err := x.r.ReadSlice('\n')
		if x.budget -= len(part); x.budget < 0 {
			return x.readPast(part, err)
		}
		x.line = append(x.line, part...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return err
		}
		break
	}
	x.line = bytes.TrimSuffix(x.line[:len(x.line)-1], []byte("\r"))
	x.end, x.literal = findLiteral(x.line)
	return nil
}

// readPast reads the rest of a line that is too long, of which part is at hand, and looks
// at its end for a literal. It returns errTooLong.
func (x *lexer) readPast(part []byte, err error) error {
	tail := lastBytes(x.line, part)
	for past := 0; errors.Is(err, bufio.ErrBufferFull); past += len(part) {
		if past > maxPast {
			return errEndless
		}
		part, err = x.r.ReadSlice('\n')
		tail = lastBytes(tail, part)
	}
	if err != nil {
		return err
	}
	_, x.literal = findLiteral(bytes.TrimSuffix(tail[:len(tail)-1], []byte("\r")))
	x.end = len(x.line)
	return errTooLong
}

// lastBytes returns the last maxTail bytes of a and b together.
func lastBytes(a, b []byte) []byte {
	a, b = a[max(len(a)-maxTail, 0):], b[max(len(b)-maxTail, 0):]
	all := slices.Concat(a, b)
	return all[max(len(all)-maxTail, 0):]
}

// findLiteral looks for {n} at the end of a line and returns where the text
// before it ends and n, or -1. A literal8 has ~ before it (RFC 3516 4.3).
func findLiteral(line []byte) (end int, size int64) {
	open := bytes.LastIndexByte(line, '{')
	if open < 0 || line[len(line)-1] != '}' {
		return len(line), -1
	}
	digits := strings.TrimSuffix(string(line[open+1:len(line)-1]), "+")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || digits[0] == '+' {
		return len(line), -1
	}
	if open > 0 && line[open-1] == '~' {
		open--
	}
	return open, n
}

// text returns the rest of the line as it is and takes it for the response's
// end: human text may end in what looks like a literal.
func (x *lexer) text() string {
	s := string(x.line[x.pos:])
	x.pos, x.end, x.literal = len(x.line), len(x.line), -1
	return s
}

// skip reads to the response's end, whatever it holds.
func (x *lexer) skip() error {
	if err := x.closeLiteral(); err != nil && !errors.Is(err, errSyntax) {
		return err
	}
	for x.literal >= 0 {
		if _, err := io.CopyN(io.Discard, x.r, x.literal); err != nil {
			return err
		}
		x.budget = maxLine
		if err := x.readLine(); err != nil && !errors.Is(err, errTooLong) {
			return err
		}
	}
	x.pos = x.end
	return nil
}

// word reads up to the next space.
func (x *lexer) word() string {
	rest := x.line[x.pos:x.end]
	n := bytes.IndexByte(rest, ' ')
	if n < 0 {
		n = len(rest)
	}
	x.pos += n
	x.spaces()
	return string(rest[:n])
}

func (x *lexer) spaces() {
	for x.pos < x.end && x.line[x.pos] == ' ' {
		x.pos++
	}
}

// accept reads c if it comes next.
func (x *lexer) accept(c byte) bool {
	if x.pos < x.end && x.line[x.pos] == c {
		x.pos++
		return true
	}
	return false
}

// openLiteral begins to stream the literal after the line, which must have been
// read to its end.
func (x *lexer) openLiteral() *literalReader {
	x.open = &literalReader{r: x.r, left: x.literal, last: x.bodyLast}
	return x.open
}

// closeLiteral reads what is left of the open literal and the text after it.
func (x *lexer) closeLiteral() error {
	if x.open == nil {
		return nil
	}
	_, err := io.Copy(io.Discard, x.open)
	x.open = nil
	if err != nil && !errors.Is(err, errSyntax) {
		return err
	}
	x.budget = maxLine
	if err := x.readLine(); err != nil {
		return err
	}
	return err
}

// memoryLiteral reads the literal after the line into memory.
func (x *lexer) memoryLiteral() (string, error) {
	if x.literal > int64(x.budget) {
		return "", fmt.Errorf("%w: literal of %d bytes where a short one belongs", errSyntax, x.literal)
	}
	b := make([]byte, x.literal)
	if _, err := io.ReadFull(x.r, b); err != nil {
		return "", err
	}
	x.budget -= len(b)
	return string(b), x.readLine()
}

// A literalReader streams one literal. A connection that ends too early is
// io.ErrUnexpectedEOF; what is followed by something that no response goes on with is a
// malformed response, since then bytes of the literal are missing.
type literalReader struct {
	r    *bufio.Reader
	left int64
	last bool // nothing may follow it in its list
	err  error
}

func (l *literalReader) Read(p []byte) (int, error) {
	if l.err != nil {
		return 0, l.err
	}
	if l.left == 0 {
		return 0, io.EOF
	}
	n, err := l.r.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	if errors.Is(err, io.EOF) && l.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err == nil && l.left == 0 {
		err = l.follows()
	}
	l.err = err
	return n, err
}

// follows looks at what comes behind the literal: the list ends and with it the line, or,
// unless the literal has to be its last, goes on with another item.
func (l *literalReader) follows() error {
	next, err := l.r.Peek(2)
	switch {
	case err != nil && errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	case err != nil:
		return err
	case next[0] == ')' && (next[1] == '\r' || next[1] == '\n'):
		return nil
	case next[0] == ' ' && !l.last && l.itemFollows():
		return nil
	}
	return fmt.Errorf("%w: a literal is not as long as announced", errSyntax)
}

// fetchItems are what may be told of a message behind its body.
var fetchItems = []string{" UID ", " FLAGS (", " INTERNALDATE ", " RFC822.SIZE ", " MODSEQ (", " SAVEDATE ", " EMAILID ", " THREADID ", " X-"}

// itemFollows reports whether the list goes on with the name of an item.
func (l *literalReader) itemFollows() bool {
	return slices.ContainsFunc(fetchItems, func(name string) bool {
		next, err := l.r.Peek(len(name))
		return err == nil && strings.EqualFold(string(next), name)
	})
}
