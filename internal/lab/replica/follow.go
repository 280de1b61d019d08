package replica

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"reforest/internal/lab/ldapd"
	"reforest/migrate"
)

// A follower reads what changes upstream. It belongs to one goroutine.
type follower struct {
	config Config
	root   rootDSE // as it was when the replica began; usn is how far the follower has come
	up     *upstream
	// known are the entries of domain and Configuration that have been read, with their
	// update numbers. The schema is read once.
	known  map[migrate.GUID]string
	domain migrate.GUID // of the domain's head, by which the forest is known again
}

// begin reads everything, the schema included.
func begin(ctx context.Context, config Config) (*follower, []ldapd.Record, error) {
	f := &follower{config: config, known: map[migrate.GUID]string{}}
	var err error
	if f.up, err = dial(ctx, config); err != nil {
		return nil, nil, err
	}
	records, err := f.first()
	if err != nil {
		f.hangUp()
		return nil, nil, err
	}
	return f, records, nil
}

func (f *follower) first() ([]ldapd.Record, error) {
	var err error
	if f.root, err = f.up.root(); err != nil {
		return nil, err
	}
	if want := "CN=Configuration," + f.root.base; !strings.EqualFold(want, f.root.config) {
		return nil, fmt.Errorf("follow %q: only the first domain of a forest can be followed", f.root.base)
	}
	entries, err := f.up.search(f.root.schema, "(objectClass=*)")
	if err != nil {
		return nil, err
	}
	schema, err := f.up.records(entries)
	if err != nil {
		return nil, err
	}
	all, err := f.everything()
	return append(schema, all...), err
}

// hangUp ends the connection; the next poll makes another.
func (f *follower) hangUp() {
	if f.up != nil {
		f.up.close()
		f.up = nil
	}
}

// poll returns what has changed since the last time.
func (f *follower) poll(ctx context.Context) ([]ldapd.Record, error) {
	again := f.up == nil
	if again {
		var err error
		if f.up, err = dial(ctx, f.config); err != nil {
			return nil, err
		}
	}
	records, err := f.changed(again)
	if err != nil {
		f.hangUp()
	}
	return records, err
}

// changed reads what has changed: all, if the server may be another than it was, put back
// from a backup for instance.
func (f *follower) changed(again bool) ([]ldapd.Record, error) {
	now, err := f.up.root()
	if err != nil || !again && now.usn == f.root.usn {
		return nil, err
	}
	read := f.since
	if again || now.usn < f.root.usn {
		read = f.everything
	}
	records, err := read()
	if err != nil {
		return nil, err
	}
	f.root.usn = now.usn // what came later than now is read again, and known
	return records, nil
}

// since reads the entries with update numbers that have not been seen, and tombstones.
func (f *follower) since() ([]ldapd.Record, error) {
	filter := "(uSNChanged>=" + strconv.FormatInt(f.root.usn+1, 10) + ")"
	entries, err := f.searchBoth(filter, goldap.NewControlMicrosoftShowDeleted())
	if err != nil {
		return nil, err
	}
	var fresh []*goldap.Entry
	for _, e := range entries {
		guid, err := migrate.GUIDFromBytes(e.GetRawAttributeValue("objectGUID"))
		usn, known := f.known[guid]
		buried := e.GetEqualFoldAttributeValue("isDeleted") == "TRUE"
		if err == nil && (buried && !known || !buried && usn == e.GetAttributeValue("uSNChanged")) {
			continue
		}
		fresh = append(fresh, e)
	}
	records, err := f.up.records(fresh)
	f.note(records)
	return records, err
}

// everything reads all entries; those that were known and are there no more come as
// deleted.
func (f *follower) everything() ([]ldapd.Record, error) {
	if err := f.recognize(); err != nil {
		return nil, err
	}
	entries, err := f.searchBoth("(objectClass=*)")
	if err != nil {
		return nil, err
	}
	records, err := f.up.records(entries)
	if err != nil {
		return nil, err
	}
	lost := f.known
	f.known = make(map[migrate.GUID]string, len(records))
	f.note(records)
	for guid := range lost {
		if _, still := f.known[guid]; !still {
			records = append(records, ldapd.Record{GUID: guid, Deleted: true})
		}
	}
	return records, nil
}

// recognize refuses another forest than that which was there first, under the same name.
func (f *follower) recognize() error {
	domain, err := f.up.guidOf(f.root.base)
	if err != nil {
		return err
	}
	if !f.domain.IsZero() && domain != f.domain {
		return fmt.Errorf("follow %q: it is another domain of that name", f.root.base)
	}
	f.domain = domain
	return nil
}

func (f *follower) searchBoth(filter string, controls ...goldap.Control) ([]*goldap.Entry, error) {
	var all []*goldap.Entry
	for _, base := range []string{f.root.base, f.root.config} {
		entries, err := f.up.search(base, filter, controls...)
		if err != nil {
			return nil, err
		}
		all = append(all, entries...)
	}
	return all, nil
}

func (f *follower) note(records []ldapd.Record) {
	for _, r := range records {
		if r.Deleted {
			delete(f.known, r.GUID)
			continue
		}
		f.known[r.GUID] = string(r.Attrs["usnchanged"][0])
	}
}

// follow polls until ctx ends.
func (r *Replica) follow(ctx context.Context, f *follower) {
	defer f.hangUp()
	ticks := time.NewTicker(r.config.Poll)
	defer ticks.Stop()
	cut := false
	for {
		var asked *ask
		select {
		case <-ctx.Done():
			return
		case asked = <-r.asks:
		case <-ticks.C:
		}
		records, err := f.poll(ctx)
		if err != nil && ctx.Err() != nil {
			return
		}
		if (err != nil) != cut {
			cut = err != nil
			r.config.Logger.Info("upstream reached or lost", "lost", cut, "err", err)
		}
		batch := r.delayed.add(records)
		if asked != nil {
			asked.batch, asked.err = batch, err
			close(asked.done)
		}
	}
}
