package ldapd

import (
	ber "github.com/go-asn1-ber/asn1-ber"
)

// The choices of a filter, by their tags (RFC 4511 4.5.1.7).
const (
	filterAnd = iota
	filterOr
	filterNot
	filterEqual
	filterSubstrings
	filterGreaterOrEqual
	filterLessOrEqual
	filterPresent
	filterApprox
	filterExtensible
)

// The matching rules of Active Directory (MS-ADTS 3.1.1.3.4.4).
const (
	ruleBitAnd = "1.2.840.113556.1.4.803"
	ruleBitOr  = "1.2.840.113556.1.4.804"
	ruleChain  = "1.2.840.113556.1.4.1941"
)

// A filter is one node of a search filter.
type filter struct {
	choice int
	of     []*filter // of and, or, not
	attr   string
	rule   string
	value  []byte
	pieces [3][]string // of substrings: initial, any, final
	sought *sought     // what value means, once it has been looked up
}

func malformed() *fault {
	return refuse(protocolError, "00000057: LdapErr: DSID-0C09042A, comment: Error decoding ldap message, data 0")
}

// parseFilter reads a filter from the wire.
func parseFilter(p *ber.Packet) (*filter, *fault) {
	if p.ClassType != ber.ClassContext {
		return nil, malformed()
	}
	f := &filter{choice: int(p.Tag)}
	switch f.choice {
	case filterAnd, filterOr, filterNot:
		return f.readSet(p)
	case filterPresent:
		f.attr = content(p)
		return f, nil
	case filterEqual, filterGreaterOrEqual, filterLessOrEqual, filterApprox:
		if len(p.Children) != 2 {
			return nil, malformed()
		}
		f.attr, f.value = content(p.Children[0]), []byte(content(p.Children[1]))
		return f, nil
	case filterSubstrings:
		return f.readSubstrings(p)
	case filterExtensible:
		return f.readExtensible(p)
	}
	return nil, malformed()
}

func (f *filter) readSet(p *ber.Packet) (*filter, *fault) {
	if f.choice == filterNot && len(p.Children) != 1 {
		return nil, malformed()
	}
	for _, child := range p.Children {
		inner, bad := parseFilter(child)
		if bad != nil {
			return nil, bad
		}
		f.of = append(f.of, inner)
	}
	return f, nil
}

func (f *filter) readSubstrings(p *ber.Packet) (*filter, *fault) {
	if len(p.Children) != 2 || len(p.Children[1].Children) == 0 {
		return nil, malformed()
	}
	f.attr = content(p.Children[0])
	for _, piece := range p.Children[1].Children {
		if piece.Tag >= ber.Tag(len(f.pieces)) || content(piece) == "" {
			return nil, malformed()
		}
		f.pieces[piece.Tag] = append(f.pieces[piece.Tag], content(piece))
	}
	if len(f.pieces[0]) > 1 || len(f.pieces[2]) > 1 {
		return nil, malformed()
	}
	return f, nil
}

func (f *filter) readExtensible(p *ber.Packet) (*filter, *fault) {
	for _, child := range p.Children {
		switch int(child.Tag) {
		case 1:
			f.rule = content(child)
		case 2:
			f.attr = content(child)
		case 3:
			f.value = []byte(content(child))
		}
	}
	return f, nil
}
