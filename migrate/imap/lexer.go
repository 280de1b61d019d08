package imap

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	maxLine  = 1 << 20 // bytes of one response, message bodies not counted
	maxDepth = 64      // of nested lists
)

var (
	// errSyntax is a response that cannot be understood. It ends at its line's end,
	// so that the connection stays usable.
	errSyntax = errors.New("malformed response")
	// errTooLong is a response beyond maxLine, after which the connection is not
	// usable.
	errTooLong = errors.New("response longer than 1 MB")
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
}

// start reads the first text of the next response.
func (x *lexer) start() error {
	x.budget = maxLine
	return x.readLine()
}

func (x *lexer) readLine() error {
	x.line, x.pos = x.line[:0], 0
	for {
		part, err := x.r.ReadSlice('\n')
		if x.budget -= len(part); x.budget < 0 {
			return errTooLong
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
	if err := x.closeLiteral(); err != nil {
		return err
	}
	for x.literal >= 0 {
		if _, err := io.CopyN(io.Discard, x.r, x.literal); err != nil {
			return err
		}
		x.budget = maxLine
		if err := x.readLine(); err != nil {
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
	x.open = &literalReader{r: x.r, left: x.literal}
	return x.open
}

// closeLiteral reads what is left of the open literal and the text after it.
func (x *lexer) closeLiteral() error {
	if x.open == nil {
		return nil
	}
	_, err := io.Copy(io.Discard, x.open)
	x.open = nil
	if err != nil {
		return err
	}
	x.budget = maxLine
	return x.readLine()
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
// io.ErrUnexpectedEOF.
type literalReader struct {
	r    io.Reader
	left int64
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
	l.err = err
	return n, err
}
