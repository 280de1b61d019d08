package transport

import (
	"context"
	"encoding/hex"
	"strings"
)

// A way is where a message to one address goes.
type way struct {
	mailbox string        // deliver to this mailbox
	hop     string        // or hand it to the other site, for this address
	refusal *RefusalError // or it bounces
	also    []string      // further addresses that get it (deliverAndRedirect)
}

// where names the place, for the state of a recipient.
func (w way) where() place {
	if w.hop != "" {
		return place{Hop: strings.ToLower(w.hop)}
	}
	return place{Mailbox: w.mailbox}
}

// A resolver decides as Exchange's categorizer does.
type resolver struct {
	view *view
	next []string // the other site's domains
}

// A search for a way remembers what it has passed, so that a loop ends.
type search struct {
	resolver
	expanded bool // altRecipient with deliverAndRedirect was honoured before
	seen     map[string]bool
}

// route resolves an address now. expanded says that its additional recipients have been
// added before. An error means that the directory did not answer.
func (r resolver) route(ctx context.Context, address string, expanded bool) (way, error) {
	s := search{resolver: r, expanded: expanded, seen: map[string]bool{}}
	return s.address(ctx, address)
}

func (s search) passed(what string) bool {
	what = strings.ToLower(what)
	passed := s.seen[what]
	s.seen[what] = true
	return passed
}

// address resolves whoever has the address, in whatever domain, as the categorizer does:
// a mail user of this forest is known here by the addresses of the other one too. Only
// what nobody has goes by its domain.
func (s search) address(ctx context.Context, address string) (way, error) {
	at := strings.LastIndexByte(address, '@')
	if at <= 0 || at == len(address)-1 {
		return way{refusal: errNotFound}, nil
	}
	domain := address[at+1:]
	kind, accepted, err := s.view.accepts(ctx, domain)
	if err != nil {
		return way{}, err
	}
	accepted = accepted && kind != externalRelay
	elsewhere := func(refusal *RefusalError) (way, error) {
		if !accepted || kind == internalRelay && covers(s.next, domain) {
			return s.relay(domain, address), nil
		}
		return way{refusal: refusal}, nil
	}
	if _, name := encapsulated(address); s.passed(address) || name && !accepted {
		return elsewhere(errForwardLoop) // a targetAddress may be one of its owner's own
	}
	objects, missing, err := s.find(ctx, address)
	switch {
	case err != nil:
		return way{}, err
	case len(objects) > 1:
		return way{refusal: errAmbiguous}, nil
	case len(objects) == 0:
		return elsewhere(missing)
	case s.passed(objects[0].dn):
		return elsewhere(errForwardLoop)
	}
	return s.object(ctx, objects[0])
}

// relay goes to the other site, where the domain is its own.
func (s search) relay(domain, address string) way {
	if covers(s.next, domain) {
		return way{hop: address}
	}
	return way{refusal: errNoRelay}
}

// find returns the objects that have the address, and what to answer if none has.
func (s search) find(ctx context.Context, address string) ([]object, *RefusalError, error) {
	if name, ok := encapsulated(address); ok {
		objects, err := s.view.lookupX500(ctx, name)
		return objects, errX500NotFound, err
	}
	objects, err := s.view.lookup(ctx, address)
	return objects, errNotFound, err
}

// object decides for a recipient that was found. targetAddress wins over a home.
func (s search) object(ctx context.Context, o object) (way, error) {
	switch {
	case o.target != "":
		return s.forward(ctx, o.target)
	case o.other != "" && !o.both:
		return s.alternate(ctx, o.other)
	case !o.home:
		return way{refusal: errNotFound}, nil
	case o.mailbox == "":
		return way{refusal: errNoPrimary}, nil
	}
	w := way{mailbox: o.mailbox}
	if o.other != "" && !s.expanded {
		return s.addition(ctx, w, o.other)
	}
	return w, nil
}

// forward follows a targetAddress.
func (s search) forward(ctx context.Context, target string) (way, error) {
	kind, address, typed := strings.Cut(target, ":")
	if !typed {
		address = target
	}
	if typed && !strings.EqualFold(kind, "SMTP") || !strings.Contains(address, "@") {
		return way{refusal: errBadTarget}, nil
	}
	return s.address(ctx, address)
}

// alternate follows an altRecipient that gets the mail instead.
func (s search) alternate(ctx context.Context, dn string) (way, error) {
	o, found, err := s.view.get(ctx, dn)
	switch {
	case err != nil:
		return way{}, err
	case !found:
		return way{refusal: errNoAlternate}, nil
	}
	if s.passed(o.dn) {
		return way{refusal: errForwardLoop}, nil
	}
	return s.object(ctx, o)
}

// addition adds an altRecipient that gets the mail too.
func (s search) addition(ctx context.Context, w way, dn string) (way, error) {
	o, found, err := s.view.get(ctx, dn)
	if err != nil {
		return way{}, err
	}
	if found && o.primary != "" {
		w.also = []string{o.primary}
	}
	return w, nil
}

// encapsulated returns the X500 name that an IMCEAEX address holds (MS-OXCMAIL
// 2.1.3.1.8): _ stands for /, and + with two hexadecimal digits for an octet.
func encapsulated(address string) (string, bool) {
	local := address[:strings.LastIndexByte(address, '@')]
	if len(local) < 8 || !strings.EqualFold(local[:8], "IMCEAEX-") {
		return "", false
	}
	local = local[8:]
	var name strings.Builder
	for i := 0; i < len(local); i++ {
		switch {
		case local[i] == '_':
			name.WriteByte('/')
		case local[i] == '+' && i+2 < len(local):
			octet, err := hex.DecodeString(local[i+1 : i+3])
			if err != nil {
				return "", false
			}
			name.Write(octet)
			i += 2
		default:
			name.WriteByte(local[i])
		}
	}
	return name.String(), true
}
