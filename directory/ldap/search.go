package ldap

import (
	"context"
	"errors"
	"slices"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"reforest/directory"
)

// sdAttr is the attribute that travels with the SD flags control.
const sdAttr = "nTSecurityDescriptor"

// The parts of a security descriptor in the SD flags control (MS-ADTS 3.1.1.3.4.1.11).
const (
	sdOwnerGroupDACL = 1 | 2 | 4
	sdDACL           = 4
)

var (
	errUnseen     = errors.New("no entry came back")
	errNoPageInfo = errors.New("the server ignored the paging control")
)

// newRequest returns the search request of a query. SDs are asked for without
// SACL: with it an account without the privilege gets nothing back.
func newRequest(query directory.Query) *goldap.SearchRequest {
	request := &goldap.SearchRequest{
		BaseDN:       string(query.Base),
		Scope:        scopeOf(query.Scope),
		DerefAliases: goldap.NeverDerefAliases,
		Filter:       string(query.Filter),
		Attributes:   query.Attrs,
	}
	if request.Filter == "" {
		request.Filter = string(directory.Any)
	}
	if names(query.Attrs, sdAttr) {
		request.Controls = append(request.Controls, sdFlags(sdOwnerGroupDACL))
	}
	return request
}

func names(attrs []string, attr string) bool {
	return slices.ContainsFunc(attrs, func(a string) bool { return strings.EqualFold(a, attr) })
}

func sdFlags(parts int32) goldap.Control {
	return &goldap.ControlMicrosoftSDFlags{Criticality: true, ControlValue: parts}
}

func scopeOf(scope directory.Scope) int {
	switch scope {
	case directory.Base:
		return goldap.ScopeBaseObject
	case directory.OneLevel:
		return goldap.ScopeSingleLevel
	case directory.Subtree:
		return goldap.ScopeWholeSubtree
	}
	return goldap.ScopeWholeSubtree
}

// search carries out one search request. References to other servers are left
// out of the answer: everything a query means lies on this one.
func (w *wire) search(ctx context.Context, request *goldap.SearchRequest) (*goldap.SearchResult, error) {
	var result *goldap.SearchResult
	err := w.run(ctx, func() (err error) {
		result, err = w.conn.Search(request)
		return err
	})
	return result, failure(ctx, "ldap.Search", err)
}

// one carries out a search that one entry answers.
func (w *wire) one(ctx context.Context, request *goldap.SearchRequest) (*goldap.Entry, error) {
	result, err := w.search(ctx, request)
	if err != nil {
		return nil, err
	}
	if len(result.Entries) == 0 {
		return nil, failure(ctx, "ldap.Search", goldap.NewError(goldap.LDAPResultNoSuchObject, errUnseen))
	}
	return result.Entries[0], nil
}

// A finding is one Find under way.
type finding struct {
	query   directory.Query
	size    int
	yield   func(*directory.Entry, error) bool
	given   bool // an entry has been handed out
	stopped bool // the caller has heard enough
}

// run asks for page after page.
func (f *finding) run(ctx context.Context, w *wire) error {
	var cookie []byte
	for {
		// A new control each time: SearchWithPaging of go-ldap changes the request.
		paging := goldap.NewControlPaging(uint32(f.size))
		paging.SetCookie(cookie)
		request := newRequest(f.query)
		request.Controls = append(request.Controls, paging)
		result, err := w.search(ctx, request)
		if err != nil {
			return err
		}
		if err := f.hand(ctx, w, result.Entries); err != nil {
			return err
		}
		cookie, err = nextCookie(result)
		if err != nil {
			return refusal("ldap.Search", err)
		}
		if len(cookie) == 0 {
			return nil
		}
		if f.stopped {
			f.abandon(ctx, w, cookie)
			return nil
		}
	}
}

func (f *finding) hand(ctx context.Context, w *wire, entries []*goldap.Entry) error {
	for _, raw := range entries {
		entry, err := w.entry(ctx, raw)
		if errors.Is(err, directory.ErrNotFound) {
			continue // deleted between its page and its further values
		}
		if err != nil {
			return err
		}
		f.given = true
		if !f.yield(entry, nil) {
			f.stopped = true
			return nil
		}
	}
	return nil
}

// abandon tells the server that no further page is wanted (RFC 2696 3). Its
// answer does not matter: an idle cookie dies with the connection.
func (f *finding) abandon(ctx context.Context, w *wire, cookie []byte) {
	paging := goldap.NewControlPaging(0)
	paging.SetCookie(cookie)
	request := newRequest(f.query)
	request.Controls = append(request.Controls, paging)
	if _, err := w.search(ctx, request); lost(err) {
		w.close()
	}
}

func nextCookie(result *goldap.SearchResult) ([]byte, error) {
	control, ok := goldap.FindControl(result.Controls, goldap.ControlTypePaging).(*goldap.ControlPaging)
	if !ok {
		return nil, errNoPageInfo
	}
	return control.Cookie, nil
}
