package migrate

import "context"

// A Grant is what a folder's access control list says of one identifier.
type Grant struct {
	// Who is the identifier as the server spells it: a name, a SID, a distinguished name.
	// It is one value whatever it holds; nobody splits it or guesses at it.
	Who    string
	Rights Rights // in any order
	Denied bool   // the rights are taken away, not given (RFC 4314 2: "-" before the identifier)
}

// A Sharer reads and changes who may do what with folders of a mailbox. Source and Target
// may be Sharers; of a Source nothing but Grants is called.
//
// What the server refuses for one folder, or one identifier, is an *Error that reaches
// OneItem, with a Hint of how to permit it.
type Sharer interface {
	// Grants returns the access control list of a folder: its ID at a Source, its Ref at a
	// Target. Where the server keeps none, shared is false.
	Grants(ctx context.Context, folder string) (list []Grant, shared bool, err error)
	// Grant sets the rights of one identifier, whatever they were. It may be repeated.
	Grant(ctx context.Context, folder string, grant Grant) error
	// Revoke takes an identifier off the list. It may be repeated.
	Revoke(ctx context.Context, folder string, grant Grant) error
}

// A Lister is a Sharer that reads and changes the lists of many folders in as few round
// trips as it can.
type Lister interface {
	Sharer
	// Lists returns the lists of the folders in their order.
	Lists(ctx context.Context, folders []string) ([]List, error)
	// Amend does what Grant and Revoke do, one after the other, and says of each why it was
	// refused; nil where it was not.
	Amend(ctx context.Context, amends []Amend) ([]error, error)
}

// A List is the access control list of one folder.
type List struct {
	Folder string // as it was asked for
	Shared bool   // the server keeps such lists
	Grants []Grant
	Known  Rights // all that the server can set; "" says nothing
	Err    error  // why the list cannot be read; nil if it was
}

// An Amend is one change of a list.
type Amend struct {
	Folder string
	Grant  Grant
	Off    bool // the identifier is taken off the list
}

// Lists returns the lists of the folders, from a Lister in as few round trips as it can.
func Lists(ctx context.Context, s Sharer, folders []string) ([]List, error) {
	if l, ok := s.(Lister); ok {
		return l.Lists(ctx, folders)
	}
	lists := make([]List, len(folders))
	for i, folder := range folders {
		grants, shared, err := s.Grants(ctx, folder)
		if err != nil && !concernsItem(err) {
			return nil, err
		}
		lists[i] = List{Folder: folder, Shared: shared, Grants: grants, Err: err}
	}
	return lists, nil
}

// AmendLists carries out the changes and says of each why it was refused.
func AmendLists(ctx context.Context, s Sharer, amends []Amend) ([]error, error) {
	if l, ok := s.(Lister); ok {
		return l.Amend(ctx, amends)
	}
	refused := make([]error, len(amends))
	for i, a := range amends {
		change := s.Grant
		if a.Off {
			change = s.Revoke
		}
		if refused[i] = change(ctx, a.Folder, a.Grant); refused[i] != nil && !concernsItem(refused[i]) {
			return nil, refused[i]
		}
	}
	return refused, nil
}

func concernsItem(err error) bool {
	e := AsError(err)
	return e != nil && e.Reach == OneItem
}
