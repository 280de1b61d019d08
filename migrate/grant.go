package migrate

import "context"

// A Grant is what a folder's access control list says of one identifier.
type Grant struct {
	// Who is the identifier as the server spells it: a name, a SID, a distinguished name.
	// It is one value whatever it holds; nobody splits it or guesses at it.
	Who    string
	Rights string // one letter each (RFC 4314 2.1), in any order
	Denied bool   // the rights are taken away, not given (RFC 4314 2: "-" before the identifier)
}

// A Sharer reads and changes who may do what with folders of a mailbox. Source and Target
// may be Sharers; of a Source nothing but Grants is called.
type Sharer interface {
	// Grants returns the access control list of a folder: its ID at a Source, its Ref at a
	// Target. Where the server keeps none, shared is false.
	Grants(ctx context.Context, folder string) (list []Grant, shared bool, err error)
	// Grant sets the rights of one identifier, whatever they were. It may be repeated.
	Grant(ctx context.Context, folder string, grant Grant) error
	// Revoke takes an identifier off the list. It may be repeated.
	Revoke(ctx context.Context, folder string, grant Grant) error
}
