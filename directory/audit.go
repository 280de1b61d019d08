package directory

import (
	"context"
	"fmt"
	"iter"

	"reforest/migrate"
)

// auditedNames matches everything under whose X500 names replies arrive.
const auditedNames Filter = "(|(legacyExchangeDN=*)(proxyAddresses=x500:*))"

// AuditNames compares the names under which replies to old mail arrive (legacyExchangeDN
// and X500 addresses) of the whole source with those of the whole target, and yields who
// would get a bounce (IMCEAEX, MS-OXCMAIL 2.1.3.1.8): every source recipient that has a
// name which no target object owns, and every target object that shares a name or an
// address with one source recipient and has an X500 name which that one lacks. The
// target's names are kept in memory, the source is read as it comes. progress is told how
// many objects were read of either, now and then; nil is nobody. The sequence ends with
// the first error.
func (d *Directories) AuditNames(ctx context.Context, progress func(side Side, read int)) iter.Seq2[migrate.Finding, error] {
	return func(yield func(migrate.Finding, error) bool) {
		of := func(side Side) func(int) {
			return func(read int) {
				if progress != nil {
					progress(side, read)
				}
			}
		}
		target, err := NewIndex(ctx, &d.Target, of(Target))
		if err != nil {
			yield(migrate.Finding{}, fmt.Errorf("read the names of the target forest: %w", err))
			return
		}
		read, tellSource := 0, of(Source)
		for entry, err := range d.Source.everywhere(ctx, auditedNames, indexAttrs) {
			var findings []migrate.Finding
			if err == nil {
				findings, err = target.audit(entry)
			}
			if err != nil {
				yield(migrate.Finding{}, fmt.Errorf("audit the names of the source forest: %w", err))
				return
			}
			countOne(tellSource, &read)
			for _, finding := range findings {
				if !yield(finding, nil) {
					return
				}
			}
		}
	}
}

// audit judges one source object by the target's names.
func (x *Index) audit(entry *Entry) ([]migrate.Finding, error) {
	source, err := ParseRecipient(entry)
	if err != nil || source.Class == ClassComputer {
		return nil, err
	}
	var findings []migrate.Finding
	if unowned := x.unowned(source.x500()); len(unowned) > 0 {
		findings = append(findings, warn("x500.unowned", source.String(),
			fmt.Sprintf("No target object owns %s of %s: replies to old mail of it bounce at the target.", quotedList(unowned), source.DN),
			"Stage it: reforest stage --all covers everyone who is not to be moved yet."))
	}
	for _, twin := range x.sharing(source) {
		if lacks := namesLacking(source, twin); len(lacks) > 0 && twin.Class == source.Class {
			findings = append(findings, warn("x500.one-way", string(twin.DN),
				fmt.Sprintf("%s at the source does not have %s: replies to old mail of %s bounce at the source.", source.DN, quotedList(lacks), twin.DN),
				"Stage it again; whoever takes X500 addresses off, such as another synchronisation, must stop doing so."))
		}
	}
	return findings, nil
}

// sharing returns everyone who has a name or an address of the source.
func (x *Index) sharing(source *Recipient) []*Recipient {
	var keys []nameKey
	for _, name := range source.x500() {
		keys = append(keys, keyOf(keyX500, string(name)))
	}
	for _, addr := range source.Proxies.SMTP() {
		keys = append(keys, keyOf(keySMTP, string(addr)))
	}
	return x.find("", keys)
}

// unowned returns those of the names that nobody in the index has.
func (x *Index) unowned(names []migrate.LegacyDN) []string {
	var left []string
	for _, name := range names {
		owned := false
		for _, r := range x.lookup(keyOf(keyX500, string(name))) {
			owned = owned || r.ownsName(name)
		}
		if !owned {
			left = append(left, "X500:"+string(name))
		}
	}
	return left
}

// ownsName reports whether replies to the name reach the recipient.
func (r *Recipient) ownsName(name migrate.LegacyDN) bool {
	return r.Legacy.Key() == name.Key() || r.Proxies.HasX500(name)
}

// namesLacking returns the names of twin that of does not own.
func namesLacking(of, twin *Recipient) []string {
	var lacks []string
	for _, name := range twin.x500() {
		if !of.ownsName(name) {
			lacks = append(lacks, "X500:"+string(name))
		}
	}
	return lacks
}
