package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"reforest/migrate"
)

// matchBatch is how many values one search asks for; a person with more addresses
// than that is searched for in several.
const matchBatch = 40

// Match finds the target object that stands for source. twin is its objectGUID where
// an earlier step of this move made or found it, zero otherwise. Without a twin these
// count, the first that finds anything deciding:
//
//   - objectSid or msExchMasterAccountSid is source's msExchMasterAccountSid, unless
//     that is SELF;
//   - a shared SMTP or X500 address, legacyExchangeDN included, of any type of object
//     but a computer;
//   - mail is one of source's addresses.
//
// Several objects are an *AmbiguousError. A twin that is no longer there is
// ErrNotFound: a second object is never made for a move that has one.
func (d *Directories) Match(ctx context.Context, source *Recipient, twin migrate.GUID) (Pair, error) {
	if !twin.IsZero() {
		return d.matchTwin(ctx, source, twin)
	}
	for _, match := range []func(context.Context, *Recipient) ([]*Recipient, string, error){
		d.matchMaster, d.matchAddresses, d.matchMail,
	} {
		found, evidence, err := match(ctx, source)
		if err != nil {
			return Pair{}, fmt.Errorf("match %s: %w", source, err)
		}
		if len(found) == 0 {
			continue
		}
		target, err := one(source.String(), found)
		return Pair{Source: source, Target: target, Evidence: evidence, Ours: true}, err
	}
	return Pair{Source: source}, nil
}

func (d *Directories) matchTwin(ctx context.Context, source *Recipient, twin migrate.GUID) (Pair, error) {
	target, err := d.Target.byGUID(ctx, twin)
	if errors.Is(err, ErrNotFound) {
		err = &migrate.Error{
			Op: "directory.Match", Reach: migrate.OneMailbox, Retry: migrate.Later, Err: err,
			Hint: "the target object that this move used is gone: restore it, or plan the move anew",
		}
	}
	if err != nil {
		return Pair{}, fmt.Errorf("match %s: %w", source, err)
	}
	return Pair{Source: source, Target: target, Evidence: EvidenceTwin, Ours: true}, nil
}

// matchMaster looks for the account that owns a linked mailbox.
func (d *Directories) matchMaster(ctx context.Context, source *Recipient) ([]*Recipient, string, error) {
	master := source.MasterSID
	if master == "" || master == migrate.Self {
		return nil, "", nil
	}
	sid, err := master.Bytes()
	if err != nil {
		return nil, "", err
	}
	found, err := d.Target.ask(ctx, question{
		filter:  Or(EqBytes(attrSID, sid), EqBytes(attrMasterSID, sid)),
		keys:    []nameKey{keyOf(keySID, string(master)), keyOf(keyMaster, string(master))},
		answers: func(r *Recipient) bool { return r.SID == master || r.MasterSID == master },
	})
	return found, attrMasterSID + " " + string(master), err
}

// matchAddresses looks for any address that both have.
func (d *Directories) matchAddresses(ctx context.Context, source *Recipient) ([]*Recipient, string, error) {
	names := addressSet{smtp: source.Proxies.SMTP(), x500: source.x500()}
	if source.Mail != "" && !source.Proxies.HasSMTP(source.Mail) {
		names.smtp = append(names.smtp, source.Mail)
	}
	found, err := d.Target.holders(ctx, names)
	if err != nil || len(found) == 0 {
		return nil, "", err
	}
	return found, names.shared(found[0]), nil
}

func (d *Directories) matchMail(ctx context.Context, source *Recipient) ([]*Recipient, string, error) {
	addrs := slices.Clone(source.Proxies.SMTP())
	if source.Mail != "" {
		addrs = append(addrs, source.Mail)
	}
	var found []*Recipient
	for chunk := range slices.Chunk(addrs, matchBatch) {
		var filters []Filter
		var keys []nameKey
		for _, a := range chunk {
			filters = append(filters, Eq("mail", string(a)))
			keys = append(keys, keyOf(keyMail, string(a)))
		}
		hits, err := d.Target.ask(ctx, question{
			filter: Or(filters...),
			keys:   keys,
			answers: func(r *Recipient) bool {
				return slices.ContainsFunc(chunk, func(a migrate.SMTPAddress) bool { return a.Key() == r.Mail.Key() })
			},
		})
		if err != nil {
			return nil, "", err
		}
		found = appendNew(found, hits)
	}
	if len(found) == 0 {
		return nil, "", nil
	}
	return found, "mail " + string(found[0].Mail), nil
}

// An addressSet is a set of names under which mail arrives.
type addressSet struct {
	smtp []migrate.SMTPAddress
	x500 []migrate.LegacyDN
}

// filters returns one filter for each name and attribute it may stand in.
func (s addressSet) filters() []Filter {
	var filters []Filter
	for _, a := range s.smtp {
		filters = append(filters, Eq(attrProxies, "smtp:"+string(a)))
	}
	for _, x := range s.x500 {
		filters = append(filters, Eq(attrProxies, "X500:"+string(x)), Eq(attrLegacy, string(x)))
	}
	return filters
}

// shared returns the first of the names that r has, as it is stored; "" if none.
func (s addressSet) shared(r *Recipient) string {
	for _, a := range s.smtp {
		if r.Proxies.HasSMTP(a) {
			return "smtp:" + string(a)
		}
	}
	for _, x := range s.x500 {
		if r.Proxies.HasX500(x) {
			return "X500:" + string(x)
		}
		if r.Legacy.Key() == x.Key() {
			return attrLegacy + " " + string(x)
		}
	}
	return ""
}

// keys returns what an Index finds the names under.
func (s addressSet) keys() []nameKey {
	keys := []nameKey{}
	for _, a := range s.smtp {
		keys = append(keys, keyOf(keySMTP, string(a)))
	}
	for _, x := range s.x500 {
		keys = append(keys, keyOf(keyX500, string(x)))
	}
	return keys
}

// holders returns the objects that have one of the names, each once.
func (f *Forest) holders(ctx context.Context, names addressSet) ([]*Recipient, error) {
	var found []*Recipient
	if f.index != nil {
		return f.ask(ctx, question{keys: names.keys(), answers: func(r *Recipient) bool { return names.shared(r) != "" }})
	}
	for chunk := range slices.Chunk(names.filters(), matchBatch) {
		hits, err := f.ask(ctx, question{
			filter:  Or(chunk...),
			answers: func(r *Recipient) bool { return names.shared(r) != "" },
		})
		if err != nil {
			return nil, err
		}
		found = appendNew(found, hits)
	}
	return found, nil
}

// appendNew appends the recipients that are not there yet.
func appendNew(found, hits []*Recipient) []*Recipient {
	for _, hit := range hits {
		if !slices.ContainsFunc(found, func(r *Recipient) bool { return r.same(hit) }) {
			found = append(found, hit)
		}
	}
	return found
}

// same reports whether both were read from one object.
func (r *Recipient) same(other *Recipient) bool {
	return r != nil && other != nil && r.GUID == other.GUID && r.DN.Equal(other.DN)
}
