package reports

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// A Format is one of the forms in which a report is saved; it is also the file's
// extension.
type Format string

// The formats.
const (
	XML  Format = "xml"
	CSV  Format = "csv"
	HTML Format = "html"
	JSON Format = "json"
)

// Formats lists them all.
func Formats() []Format { return []Format{XML, CSV, HTML, JSON} }

// fileName is a Go time layout: a 24-hour clock, local time, and no character that
// Windows forbids in a name.
const fileName = "MailboxMove-2006-01-02 15-04-05"

// Write writes the report in the given format.
func (r *Report) Write(w io.Writer, format Format) error {
	switch format {
	case XML:
		return r.WriteXML(w)
	case CSV:
		return r.WriteCSV(w)
	case HTML:
		return r.WriteHTML(w)
	case JSON:
		return r.WriteJSON(w)
	}
	return fmt.Errorf("write report: no format %q; there are xml, csv, html and json", format)
}

// Save writes the report into the directory, which it creates if it is not there,
// and returns the paths of the files. No format means all of them. They are named
// after the local time at which the run began: "MailboxMove-2006-01-02 15-04-05.xml".
// A file is there whole or not at all, readable by its owner alone; the same run's
// file is replaced, another run's is not: the name then ends in " (2)".
func (r *Report) Save(dir string, formats ...Format) ([]string, error) {
	if len(formats) == 0 {
		formats = Formats()
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("save report: %w", err)
	}
	base, err := r.freeName(dir)
	if err != nil {
		return nil, fmt.Errorf("save report: %w", err)
	}
	var paths []string
	for _, format := range formats {
		path := base + "." + string(format)
		if err := r.saveFile(path, format); err != nil {
			return paths, fmt.Errorf("save report %q: %w", path, err)
		}
		paths = append(paths, path)
	}
	return paths, syncDir(dir)
}

// freeName returns the path, without extension, of a name that no other run's
// report has. Runs that began in the same second are rare.
func (r *Report) freeName(dir string) (string, error) {
	name := filepath.Join(dir, r.BeganLocal.Format(fileName))
	for base, n := name, 2; ; base, n = fmt.Sprintf("%s (%d)", name, n), n+1 {
		free := true
		for _, format := range Formats() {
			of, err := r.isOf(base + "." + string(format))
			if err != nil {
				return "", err
			}
			free = free && of
		}
		if free {
			return base, nil
		}
	}
}

// isOf reports whether the file is this run's, or not there. Every format names the
// run near its head, but for the CSV of a run without moves, which is one line.
func (r *Report) isOf(path string) (bool, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	head, err := io.ReadAll(io.LimitReader(file, 4096))
	of := bytes.Contains(head, []byte(r.Run)) || bytes.Count(head, []byte("\n")) <= 1
	return of, errors.Join(err, file.Close())
}

// saveFile writes beside the path, and renames when the bytes are on the disk.
func (r *Report) saveFile(path string, format Format) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), ".MailboxMove-*.tmp") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	err = r.Write(file, format)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// syncDir makes the new names durable. Windows has no such call.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("save report: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
