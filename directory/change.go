package directory

import (
	"context"
	"errors"
	"iter"

	"reforest/migrate"
)

// A Side is one of the two forests.
type Side string

// The two forests of a migration.
const (
	Source Side = "source"
	Target Side = "target"
)

// An Op is the kind of a Change.
type Op string

// The operations, one LDAP request each.
const (
	Add    Op = "add"
	Modify Op = "modify"
	Delete Op = "delete" // a leaf; Mods are none
)

// A ModOp is what a Mod does to its attribute (RFC 4511 4.6).
type ModOp string

// The modifications of one attribute.
const (
	AddValues     ModOp = "add"
	DeleteValues  ModOp = "delete" // no values: the whole attribute
	ReplaceValues ModOp = "replace"
	// RandomPassword gives an account a password that nobody knows. It has no values:
	// the Writer makes the password up, and it is never on record anywhere. The same
	// Change enables the account, by which it is known to have been carried out.
	RandomPassword ModOp = "random password"
)

// A Mod is one attribute of a Change. In an Add every Mod is AddValues.
type Mod struct {
	Op     ModOp    `json:"op"`
	Attr   string   `json:"attr"`
	Values [][]byte `json:"values,omitempty"`
	// Origin says in the operator's words where the values come from: "source title",
	// "constant", "made of the alias". It is shown in plans and means nothing to Apply.
	Origin string `json:"origin,omitempty"`
}

// A Change is one LDAP operation, with what stood there before it.
type Change struct {
	ID     int64  `json:"id,omitempty"` // given by the journal
	Forest Side   `json:"forest"`
	Op     Op     `json:"op"`
	DN     DN     `json:"dn"`
	Mods   []Mod  `json:"mods"`
	Before []Mod  `json:"before,omitempty"` // the attributes' values before, as ReplaceValues; none for an attribute that was absent, and of links no others than the Mods name
	Why    string `json:"why"`              // the step that wants it, in the operator's words
	// Person is the objectGUID of the source object for whose sake this is changed.
	Person migrate.GUID `json:"person,omitzero"`
}

// A Plan is what one step wants to change and what it noticed.
type Plan struct {
	Changes  []Change
	Findings []migrate.Finding
	// Spots are what the step looks after, whether or not it has to change it now. They
	// let Settled wait for every server also when the Reader shows all of it already.
	Spots []Spot
	// Rights are those on the source that the step translates; nil where it does not.
	Rights *RightsSnapshot
}

// A Spot is some attributes of one entry.
type Spot struct {
	Forest Side
	DN     DN
	Attrs  []string
}

// Forbidden returns the findings that stop the move.
func (p Plan) Forbidden() []migrate.Finding {
	var stop []migrate.Finding
	for _, f := range p.Findings {
		if f.Severity == migrate.Forbid {
			stop = append(stop, f)
		}
	}
	return stop
}

// Watched returns the plan without values and findings: what Settled needs to see
// whether every server that is watched shows it.
func (p Plan) Watched() Plan {
	w := Plan{}
	for _, change := range p.Changes {
		if change.Op != Delete {
			w.Spots = append(w.Spots, change.spot())
		}
	}
	return w
}

// A Scope is how deep a Query looks (RFC 4511 4.5.1.2).
type Scope int

// The scopes.
const (
	Subtree Scope = iota
	Base
	OneLevel
)

// A Query is one search.
type Query struct {
	Base   DN // "" is the forest's default naming context; of a global catalog, the whole forest
	Scope  Scope
	Filter Filter
	Attrs  []string // none: all that are stored; nTSecurityDescriptor comes only if named
}

// A Reader reads one forest.
type Reader interface {
	// Get returns the entry with the given attributes, or all that are stored. DN ""
	// is the rootDSE. It returns ErrNotFound if there is no such entry.
	// nTSecurityDescriptor, if named, holds owner, group and DACL.
	Get(ctx context.Context, dn DN, attrs ...string) (*Entry, error)
	// Find yields what matches, however much it is.
	Find(ctx context.Context, query Query) iter.Seq2[*Entry, error]
}

// A Writer writes one forest.
type Writer interface {
	// Write carries out the change as one LDAP operation. A Mod of
	// nTSecurityDescriptor writes the DACL alone. An error that is ErrNotFound or
	// ErrExists, or a *migrate.Error that reaches OneMailbox, is the server's refusal:
	// nothing was written. After any other the outcome is unknown.
	Write(ctx context.Context, change Change) error
}

// A Journal is bound to one move and one claim on it. It is durable when a method
// returns. An intent is closed once: by Commit or by Drop.
type Journal interface {
	// Intend notes that the change is about to be written and returns its number.
	Intend(ctx context.Context, change Change) (int64, error)
	// Commit closes the intent: the change is in the directory.
	Commit(ctx context.Context, id int64) error
	// Drop closes the intent: the change is not, or not wholly, in the directory.
	Drop(ctx context.Context, id int64) error
	// Open yields the changes that were intended and not closed, oldest first.
	Open(ctx context.Context) iter.Seq2[Change, error]
}

// Sentinels that callers branch on. Adapters wrap them.
var (
	ErrNotFound = errors.New("no such entry")
	ErrExists   = errors.New("entry, or a unique name of it, exists already")
)
