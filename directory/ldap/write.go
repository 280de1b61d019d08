package ldap

import (
	"errors"
	"fmt"

	goldap "github.com/go-ldap/ldap/v3"

	"reforest/directory"
)

// A write is one operation that changes an entry.
type write struct {
	name string // for errors: "ldap.Add"
	send func(*goldap.Conn) error
	// secret says that it carries a password, which only TLS may see.
	secret bool
}

func newWrite(change directory.Change) (write, error) {
	if change.DN == "" || len(change.Mods) == 0 && change.Op != directory.Delete {
		return write{}, errors.New("a change needs a DN and something to change")
	}
	switch change.Op {
	case directory.Add:
		return newAdd(change)
	case directory.Modify:
		return newModify(change)
	case directory.Delete:
		return newDelete(change), nil
	}
	return write{}, fmt.Errorf("unknown operation %q", change.Op)
}

func newAdd(change directory.Change) (write, error) {
	request := goldap.NewAddRequest(string(change.DN), controlsOf(change))
	for _, mod := range change.Mods {
		if mod.Op != directory.AddValues {
			return write{}, fmt.Errorf("an add cannot %s values of %s", mod.Op, mod.Attr)
		}
		request.Attribute(mod.Attr, texts(mod.Values))
	}
	return write{name: "ldap.Add", send: func(c *goldap.Conn) error { return c.Add(request) }}, nil
}

func newDelete(change directory.Change) write {
	request := goldap.NewDelRequest(string(change.DN), nil)
	return write{name: "ldap.Delete", send: func(c *goldap.Conn) error { return c.Del(request) }}
}

func newModify(change directory.Change) (write, error) {
	request := goldap.NewModifyRequest(string(change.DN), controlsOf(change))
	secret := false
	for _, mod := range change.Mods {
		values := texts(mod.Values)
		switch mod.Op {
		case directory.AddValues:
			request.Add(mod.Attr, values)
		case directory.DeleteValues:
			request.Delete(mod.Attr, values)
		case directory.ReplaceValues:
			request.Replace(mod.Attr, values)
		case directory.RandomPassword:
			secret = true
			if err := setPassword(request, change, mod); err != nil {
				return write{}, err
			}
		default:
			return write{}, fmt.Errorf("unknown modification %q of %s", mod.Op, mod.Attr)
		}
	}
	return write{name: "ldap.Modify", send: func(c *goldap.Conn) error { return c.Modify(request) }, secret: secret}, nil
}

func controlsOf(change directory.Change) []goldap.Control {
	if names(attrsOf(change), sdAttr) {
		return []goldap.Control{sdFlags(sdDACL)}
	}
	return nil
}

func attrsOf(change directory.Change) []string {
	attrs := make([]string, len(change.Mods))
	for i, mod := range change.Mods {
		attrs[i] = mod.Attr
	}
	return attrs
}

// texts returns the values as go-ldap wants them; it sends their bytes unchanged.
func texts(values [][]byte) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out
}
