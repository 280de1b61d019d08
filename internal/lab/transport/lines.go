package transport

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// A lineFile is a file to which whole lines are added, each by one write. It may be used
// by several goroutines.
type lineFile struct {
	file *os.File
}

// openLines opens the file to append, and ends a line that a process died over.
func openLines(path string) (lineFile, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return lineFile{}, fmt.Errorf("open %s: %w", filepath.Base(path), err)
	}
	if err := mendTail(file); err != nil {
		_ = file.Close()
		return lineFile{}, fmt.Errorf("mend %s: %w", filepath.Base(path), err)
	}
	return lineFile{file}, nil
}

// mendTail cuts off a last line that has no end: it was never answered for.
func mendTail(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	end := info.Size()
	chunk := make([]byte, 4096)
	for end > 0 {
		start := max(0, end-int64(len(chunk)))
		n, err := file.ReadAt(chunk[:end-start], start)
		if err != nil {
			return err
		}
		if i := bytes.LastIndexByte(chunk[:n], '\n'); i >= 0 {
			end = start + int64(i) + 1
			break
		}
		end = start
	}
	if end == info.Size() {
		return nil
	}
	return file.Truncate(end)
}

func (l lineFile) append(line []byte) error {
	_, err := l.file.Write(append(bytes.Clone(line), '\n'))
	return err
}

func (l lineFile) appendJSON(value any) error {
	line, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return l.append(line)
}

// appendTo adds one line to a file.
func appendTo(path string, value any) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(lineFile{file}.appendJSON(value), file.Close())
}

func (l lineFile) close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// readLines yields the lines of a file that end; one that does not was never answered
// for. A file that is not there has none.
func readLines(path string) func(yield func([]byte, error) bool) {
	return func(yield func([]byte, error) bool) {
		text, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			yield(nil, fmt.Errorf("read %s: %w", filepath.Base(path), err))
			return
		}
		for line := range bytes.Lines(text) {
			whole, ends := bytes.CutSuffix(line, []byte("\n"))
			if ends && !yield(whole, nil) {
				return
			}
		}
	}
}
