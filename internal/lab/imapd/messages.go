package imapd

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-message/textproto"
)

// Append stores a message (RFC 9051 6.3.12).
func (s *session) Append(name string, r imap.LiteralReader, options *imap.AppendOptions) (*imap.AppendData, error) {
	body, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	if int64(len(body)) < r.Size() {
		return nil, io.ErrUnexpectedEOF
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	fault := s.server.strike(s.user, Append, body)
	switch {
	case fault == nil:
	case fault.Drop == DropBefore:
		return nil, s.drop()
	case fault.Drop == NoDrop:
		return nil, fault.refusal()
	}
	f, err := s.mustFind(name, imap.ResponseCodeTryCreate)
	if err != nil {
		return nil, err
	}
	if err := s.overQuota(int64(len(body))); err != nil {
		return nil, err
	}
	m, err := s.server.add(f, body, options.Time, options.Flags)
	if err != nil {
		return nil, err
	}
	if fault != nil {
		return nil, s.drop()
	}
	return s.appendData(f, m), nil
}

// appendData is nothing where UIDPLUS is not offered.
func (s *session) appendData(f *folder, m *message) *imap.AppendData {
	if slices.Contains(s.server.config.Without, imap.CapUIDPlus) {
		return nil
	}
	return &imap.AppendData{UID: m.uid, UIDValidity: f.validity}
}

// A numbered is a message with its sequence number and a copy of its flags.
type numbered struct {
	*message
	seq   uint32
	flags []imap.Flag
}

// pick returns the messages in a set, as the session sees them. Messages deleted
// since are left out. The caller holds the mutex.
func (s *session) pick(set imap.NumSet) []numbered {
	alive := asSet(s.folder.messages)
	var picked []numbered
	for i, m := range s.view {
		if alive[m] && inSet(set, uint32(i)+1, m.uid, s.view) {
			picked = append(picked, numbered{m, uint32(i) + 1, slices.Clone(m.flags)})
		}
	}
	return picked
}

// inSet reports whether a message is in a set, in which 0 stands for the last
// message and n:* for the range between n and the last, whichever is greater.
func inSet(set imap.NumSet, seq uint32, uid imap.UID, view []*message) bool {
	switch set := set.(type) {
	case imap.SeqSet:
		return slices.ContainsFunc(set, func(r imap.SeqRange) bool {
			return between(seq, r.Start, r.Stop, uint32(len(view)))
		})
	case imap.UIDSet:
		return slices.ContainsFunc(set, func(r imap.UIDRange) bool {
			return between(uint32(uid), uint32(r.Start), uint32(r.Stop), uint32(view[len(view)-1].uid))
		})
	}
	return false
}

func between(n, start, stop, last uint32) bool {
	if start == 0 {
		start = last
	}
	if stop == 0 {
		stop = last
	}
	return n >= min(start, stop) && n <= max(start, stop)
}

// Fetch is FETCH and UID FETCH. A planned fault ends it with a NO at the message
// it befalls.
func (s *session) Fetch(w *imapserver.FetchWriter, set imap.NumSet, options *imap.FetchOptions) error {
	s.server.mu.Lock()
	if !s.others && slices.ContainsFunc(options.BodySection, func(b *imap.FetchItemBodySection) bool { return !b.Peek }) {
		for _, m := range s.pick(set) {
			m.message.flags = tidyFlags(append(m.message.flags, imap.FlagSeen))
		}
	}
	picked := s.pick(set)
	s.server.mu.Unlock()
	for _, m := range picked {
		if err := s.fetchFault(m, options); err != nil {
			return err
		}
		if err := writeMessage(w.CreateMessage(m.seq), m, options); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) fetchFault(m numbered, options *imap.FetchOptions) error {
	if len(options.BodySection) == 0 {
		return nil
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	f := s.server.strike(s.user, Fetch, m.body)
	switch {
	case f == nil:
		return nil
	case f.Drop != NoDrop:
		return s.drop()
	}
	return f.refusal()
}

func writeMessage(w *imapserver.FetchResponseWriter, m numbered, options *imap.FetchOptions) error {
	w.WriteUID(m.uid)
	if options.Flags {
		w.WriteFlags(m.flags)
	}
	if options.InternalDate {
		w.WriteInternalDate(m.received)
	}
	if options.RFC822Size {
		w.WriteRFC822Size(int64(len(m.body)))
	}
	if options.Envelope {
		// What cannot be parsed has an empty envelope, as on real servers.
		header, _ := textproto.ReadHeader(bufio.NewReader(bytes.NewReader(m.body)))
		w.WriteEnvelope(imapserver.ExtractEnvelope(header))
	}
	if options.BodyStructure != nil {
		w.WriteBodyStructure(imapserver.ExtractBodyStructure(bytes.NewReader(m.body)))
	}
	for _, section := range options.BodySection {
		part := bodySection(m.body, section)
		if err := writeLiteral(w.WriteBodySection(section, int64(len(part))), part); err != nil {
			return err
		}
	}
	for _, section := range options.BinarySection {
		part := imapserver.ExtractBinarySection(bytes.NewReader(m.body), section)
		if err := writeLiteral(w.WriteBinarySection(section, int64(len(part))), part); err != nil {
			return err
		}
	}
	for _, section := range options.BinarySectionSize {
		w.WriteBinarySectionSize(section, imapserver.ExtractBinarySectionSize(bytes.NewReader(m.body), section))
	}
	return w.Close()
}

// bodySection returns a part of the message. The whole of it is given as it is:
// the library would parse it and lose what is no proper header.
func bodySection(body []byte, section *imap.FetchItemBodySection) []byte {
	if section.Specifier != imap.PartSpecifierNone || len(section.Part) > 0 {
		return imapserver.ExtractBodySection(bytes.NewReader(body), section)
	}
	if p := section.Partial; p != nil {
		start := min(max(p.Offset, 0), int64(len(body)))
		return body[start:min(start+max(p.Size, 0), int64(len(body)))]
	}
	return body
}

func writeLiteral(w io.WriteCloser, b []byte) error {
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("write literal: %w", err)
	}
	return w.Close()
}
