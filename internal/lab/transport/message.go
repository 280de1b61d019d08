package transport

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// Header fields of the transport's own.
const (
	OriginHeader   = "X-Rehearsal-Origin"   // source, target or outside
	NumberHeader   = "X-Rehearsal-Number"   // see Numbers
	TransferHeader = "X-Rehearsal-Transfer" // site, queue id and recipient of the last hop
)

// mark stands in the Received fields of the rehearsal's sites.
const mark = "(reforest rehearsal)"

// A field is one header field, and where it stands in the message.
type field struct {
	name, value string
	start, end  int
}

// fields returns the header of a message. A line that is no field ends it, as does the
// empty line (RFC 5322 2.2).
func fields(message []byte) []field {
	var all []field
	at := 0
	for line := range bytes.Lines(message) {
		text := strings.TrimRight(string(line), "\r\n")
		name, value, found := strings.Cut(text, ":")
		folded := text != "" && (text[0] == ' ' || text[0] == '\t')
		switch {
		case folded && len(all) > 0:
			last := &all[len(all)-1]
			last.value, last.end = last.value+text, at+len(line)
		case text == "" || !found || strings.ContainsAny(name, " \t"):
			return all
		default:
			all = append(all, field{name: name, value: strings.TrimSpace(value), start: at, end: at + len(line)})
		}
		at += len(line)
	}
	return all
}

// headerOf returns the first field of this name, or "".
func headerOf(message []byte, name string) string {
	for _, f := range fields(message) {
		if strings.EqualFold(f.name, name) {
			return strings.TrimSpace(f.value)
		}
	}
	return ""
}

// hopsOf counts the servers that have handled a message, and of these the sites of the
// rehearsal.
func hopsOf(message []byte) (all, sites int) {
	for _, f := range fields(message) {
		if !strings.EqualFold(f.name, "Received") {
			continue
		}
		all++
		if strings.Contains(f.value, mark) {
			sites++
		}
	}
	return all, sites
}

// without returns the message without the fields of this name.
func without(message []byte, name string) []byte {
	out, at := make([]byte, 0, len(message)), 0
	for _, f := range fields(message) {
		if strings.EqualFold(f.name, name) {
			out, at = append(out, message[at:f.start]...), f.end
		}
	}
	return append(out, message[at:]...)
}

// A stamp is what a site writes at the head of a message that it hands over.
type stamp struct {
	host, entry string
	from        string // the envelope's sender
	origin      string
	at          time.Time // when it was accepted: an attempt that is repeated writes the same
	transfer    string    // "" when it is delivered
}

// stamped returns the message as it is handed over. A message that has no Message-ID
// gets one, always the same.
func (s stamp) stamped(message []byte) []byte {
	var b bytes.Buffer
	if s.transfer != "" {
		fmt.Fprintf(&b, "%s: %s\r\n", TransferHeader, s.transfer)
	}
	fmt.Fprintf(&b, "Received: by %s %s\r\n\tid %s (envelope-from <%s>); %s\r\n", s.host, mark, s.entry, s.from, s.at.Format(time.RFC1123Z))
	if headerOf(message, OriginHeader) == "" {
		fmt.Fprintf(&b, "%s: %s\r\n", OriginHeader, s.origin)
	}
	if headerOf(message, "Message-ID") == "" {
		fmt.Fprintf(&b, "Message-ID: %s\r\n", s.messageID(message))
	}
	b.Write(without(message, TransferHeader))
	return b.Bytes()
}

// messageID returns the message's own, or what stamped gives it.
func (s stamp) messageID(message []byte) string {
	return either(headerOf(message, "Message-ID"), "<"+s.entry+"@"+s.host+">")
}

// MessageIDs returns the Message-ID of each message, "" for one that has none.
func MessageIDs(messages [][]byte) []string {
	ids := make([]string, len(messages))
	for i, message := range messages {
		ids[i] = headerOf(message, "Message-ID")
	}
	return ids
}
