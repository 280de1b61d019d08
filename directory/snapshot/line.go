package snapshot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"time"
	"unicode/utf8"

	"reforest/directory"
)

// What a header says of the file it begins.
const (
	format  = "reforest forest"
	version = 1
)

// A header is the first line.
type header struct {
	Format  string         `json:"format"`
	Version int            `json:"version"`
	Side    directory.Side `json:"side"`
	Domain  string         `json:"domain"` // DNS name
	At      time.Time      `json:"at"`     // when collecting began, UTC
	Account string         `json:"account"`
	Server  string         `json:"server,omitempty"`
	Catalog bool           `json:"catalog,omitempty"` // read from a global catalog
	Root    attributes     `json:"root"`              // the rootDSE
	Parts   []part         `json:"parts"`
}

// A part is one of the searches that an entry was found by.
type part struct {
	Base   directory.DN     `json:"base"`
	Filter directory.Filter `json:"filter"`
	Attrs  []string         `json:"attrs"`
}

// A line is an entry, or the trailer.
type line struct {
	DN   directory.DN `json:"dn,omitempty"`
	Part int          `json:"part"` // index of header.Parts
	attributes

	End     bool `json:"end,omitempty"` // this is the trailer
	Entries int  `json:"entries,omitempty"`
}

// attributes hold the values of an entry by attribute. One that has a value which is
// not UTF-8 stands among Octets as a whole.
type attributes struct {
	Text   map[string][]string `json:"text,omitempty"`
	Octets map[string][][]byte `json:"octets,omitempty"`
}

func attributesOf(entry *directory.Entry) attributes {
	a := attributes{Text: map[string][]string{}, Octets: map[string][][]byte{}}
	for _, name := range entry.Attrs() {
		values := entry.Bytes(name)
		if allText(values) {
			a.Text[name] = entry.Values(name)
		} else {
			a.Octets[name] = values
		}
	}
	return a
}

// allText reports whether JSON keeps all of the values as they are.
func allText(values [][]byte) bool {
	for _, v := range values {
		if !utf8.Valid(v) {
			return false
		}
	}
	return true
}

// entry turns the attributes into an entry.
func (a attributes) entry(dn directory.DN) *directory.Entry {
	all := maps.Clone(a.Octets)
	if all == nil {
		all = map[string][][]byte{}
	}
	for name, texts := range a.Text {
		for _, text := range texts {
			all[name] = append(all[name], []byte(text))
		}
	}
	return directory.NewEntry(dn, all)
}

// errForeign is the reason why a file is refused that is none of ours.
var errForeign = errors.New("this is no file that reforest collected a forest to")

// readHeader reads the first line and refuses what this program cannot read.
func readHeader(lines *json.Decoder) (header, error) {
	var h header
	if err := lines.Decode(&h); err != nil {
		return h, torn(err)
	}
	switch {
	case h.Format != format:
		return h, errForeign
	case h.Version > version:
		return h, fmt.Errorf("the file has version %d, and this program reads up to %d: use the program that wrote it, or collect again", h.Version, version)
	case h.Version < 1, h.Side != directory.Source && h.Side != directory.Target, h.At.IsZero(), len(h.Parts) == 0:
		return h, fmt.Errorf("%w: its header lacks what every such file has", errForeign)
	}
	return h, nil
}

// torn says of an error in the middle of a file what it means.
func torn(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the file ends too early: it was cut on its way here; copy it again, or collect again")
	}
	return fmt.Errorf("the file is damaged: %w; copy it again, or collect again", err)
}
