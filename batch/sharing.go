package batch

import (
	"context"
	"fmt"
	"slices"

	"reforest/directory"
	"reforest/migrate"
)

// LoginNames is Mailboxes that can tell under which names the mail systems know people.
// Without it, or where it says nothing, no folder's list is touched.
type LoginNames interface {
	Logins() directory.Logins
}

// A Sharing brings who may use the folders of one mailbox to the target, in this order,
// each step looking before it acts: what both sides' lists say is kept; the twins get the
// rights of those they stand for, and lose none that they have; that is read back; only
// then the entries go that name somebody of the source. The source is never changed.
type Sharing struct {
	Directories *directory.Directories
	Logins      directory.Logins
	Content     migrate.Journal // tells where the folders lie at the target
	Lists       Lists
}

// A sharedFolder is one folder with both its lists.
type sharedFolder struct {
	path   []string
	source migrate.List // no Grants where the source keeps none
	target migrate.List
	wants  []wanted // what has to be on the target's list
}

// A sharingWork is a Sharing of one mailbox under way.
type sharingWork struct {
	*Sharing
	pair     directory.Pair
	source   migrate.Sharer // nil: the source tells nothing
	target   migrate.Sharer
	folders  []*sharedFolder
	atSource map[string]directory.Holder // by identifier
	atTarget map[string]directory.Holder
	kept     []KeptList
	notes    *shareNotes
}

// Bring carries everything out that is still missing, and, with strip, takes the legacy
// entries off the target's lists. The findings are what needs a person.
func (s *Sharing) Bring(ctx context.Context, pair directory.Pair, source migrate.Source, target migrate.Target, strip bool) ([]migrate.Finding, error) {
	mode := s.Directories.PermissionMode()
	w, err := s.begin(ctx, pair, source, target)
	if err != nil || w == nil || mode == "" || mode == directory.KeepPermissions {
		return nil, err
	}
	if err := w.keep(ctx, nil); err != nil {
		return nil, err
	}
	if mode == directory.TranslatePermissions {
		if err := w.give(ctx); err != nil {
			return nil, err
		}
	}
	if strip {
		if err := w.strip(ctx, mode); err != nil {
			return nil, err
		}
	}
	return w.notes.findings(), nil
}

// Compare says who could use which folder before and cannot now, whose legacy entries are
// left, and who can that could not. It changes nothing.
func (s *Sharing) Compare(ctx context.Context, pair directory.Pair, source migrate.Source, target migrate.Target) ([]migrate.Finding, error) {
	mode := s.Directories.PermissionMode()
	w, err := s.begin(ctx, pair, source, target)
	if err != nil || w == nil || mode != directory.TranslatePermissions {
		return nil, err
	}
	for _, f := range w.folders {
		w.missing(f)
		w.left(f)
		w.extra(f)
	}
	return w.notes.findings(), nil
}

// sharing returns the Sharing of the claimed move.
func (m *Mover) sharing(w *work) *Sharing {
	return newSharing(m.Directories, m.Mailboxes, w.content, m.Store.Journals(w.claim).Lists)
}

func newSharing(d *directory.Directories, mailboxes Mailboxes, content migrate.Journal, lists Lists) *Sharing {
	s := &Sharing{Directories: d, Content: content, Lists: lists}
	if names, ok := mailboxes.(LoginNames); ok {
		s.Logins = names.Logins()
	}
	return s
}

// share brings who may use the folders to the target.
func (m *Mover) share(ctx context.Context, w *work, strip bool) (findings []migrate.Finding, err error) {
	err = m.withMailboxes(ctx, w, func(source migrate.Source, target migrate.Target) error {
		findings, err = m.sharing(w).Bring(ctx, w.pair, source, target, strip)
		return err
	})
	return findings, err
}

// begin reads both sides' lists and who is on them; nil where there is nothing to do.
func (s *Sharing) begin(ctx context.Context, pair directory.Pair, source migrate.Source, target migrate.Target) (*sharingWork, error) {
	to, ok := target.(migrate.Sharer)
	if !ok || s.Logins == (directory.Logins{}) || pair.Target == nil {
		return nil, nil
	}
	w := &sharingWork{Sharing: s, pair: pair, target: to, notes: newShareNotes(pair)}
	w.source, _ = source.(migrate.Sharer)
	if err := w.read(ctx, source); err != nil || len(w.folders) == 0 {
		return nil, err
	}
	var err error
	if w.kept, err = s.Lists.Kept(ctx); err != nil {
		return nil, err
	}
	if err := w.identify(ctx); err != nil {
		return nil, err
	}
	for _, f := range w.folders {
		f.wants = w.wants(f)
	}
	return w, nil
}

// read reads the lists of every folder that has a place at the target. Containers are
// left out: nothing lies in them that anybody could read.
func (w *sharingWork) read(ctx context.Context, source migrate.Source) error {
	all, err := source.Folders(ctx)
	if err != nil {
		return fmt.Errorf("list the source folders: %w", err)
	}
	var ids, refs []string
	for _, f := range all {
		if f.Container {
			continue
		}
		state, err := w.Content.Folder(ctx, f.ID)
		if err != nil {
			return err
		}
		if state.Ref != "" {
			ids, refs = append(ids, string(f.ID)), append(refs, string(state.Ref))
			w.folders = append(w.folders, &sharedFolder{path: f.Path})
		}
	}
	if len(refs) == 0 {
		return nil
	}
	return w.readLists(ctx, ids, refs)
}

func (w *sharingWork) readLists(ctx context.Context, ids, refs []string) error {
	from := make([]migrate.List, len(ids))
	if w.source != nil {
		lists, err := migrate.Lists(ctx, w.source, ids)
		if err != nil {
			return fmt.Errorf("read who may use the source folders: %w", err)
		}
		from = lists
	}
	to, err := migrate.Lists(ctx, w.target, refs)
	if err != nil {
		return fmt.Errorf("read who may use the target folders: %w", err)
	}
	shares := false
	for i, f := range w.folders {
		f.source, f.target = from[i], to[i]
		f.target.Folder = refs[i]
		shares = shares || f.source.Shared || f.target.Shared
		w.notes.unreadable(f.path, "source", f.source.Err)
		w.notes.unreadable(f.path, "target", f.target.Err)
	}
	w.folders = slices.DeleteFunc(w.folders, func(f *sharedFolder) bool { return f.source.Err != nil || f.target.Err != nil })
	if !shares {
		w.folders = nil
	}
	return nil
}

// identify looks up everybody who is on a list, or was on the target's, each once.
func (w *sharingWork) identify(ctx context.Context) (err error) {
	var source, target []string
	for _, f := range w.folders {
		source = append(source, namesOn(f.source.Grants)...)
		target = append(target, namesOn(f.target.Grants)...)
		target = append(target, namesOn(w.found(f))...)
	}
	w.atSource, err = w.Directories.Holders(ctx, w.pair, directory.Source, once(source), w.Logins)
	if err != nil {
		return err
	}
	w.atTarget, err = w.Directories.Holders(ctx, w.pair, directory.Target, once(target), w.Logins)
	return err
}

func namesOn(list []migrate.Grant) (names []string) {
	for _, g := range list {
		names = append(names, g.Who)
	}
	return names
}

func once(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

// keep stores the lists that are not on record: each when it is first seen, the source's
// when it says something new, and the target's before it is changed.
func (w *sharingWork) keep(ctx context.Context, amends []migrate.Amend) error {
	var news []FolderList
	for _, f := range w.folders {
		source := FolderList{directory.Source, f.source.Folder, f.path, f.source.Grants, others(f.source.Grants, w.atSource)}
		target := FolderList{directory.Target, f.target.Folder, f.path, f.target.Grants, others(f.target.Grants, w.atTarget)}
		if last, known := w.lastKept(source); f.source.Shared && (!known || !sameGrants(last, source.Grants)) {
			news = append(news, source)
		}
		changes := slices.ContainsFunc(amends, func(a migrate.Amend) bool { return a.Folder == target.Folder })
		if last, known := w.lastKept(target); f.target.Shared && (!known || changes && !sameGrants(last, target.Grants)) {
			news = append(news, target)
		}
	}
	if len(news) == 0 {
		return nil
	}
	if err := w.Lists.Keep(ctx, news); err != nil {
		return err
	}
	var err error
	w.kept, err = w.Lists.Kept(ctx)
	return err
}

// others counts the entries that are not the owner's.
func others(list []migrate.Grant, holders map[string]directory.Holder) (n int) {
	for _, g := range list {
		if !holders[g.Who].Owner {
			n++
		}
	}
	return n
}

// lastKept returns what was kept last of the folder.
func (w *sharingWork) lastKept(list FolderList) ([]migrate.Grant, bool) {
	for _, k := range slices.Backward(w.kept) {
		if k.Side == list.Side && k.Folder == list.Folder {
			return k.Grants, true
		}
	}
	return nil, false
}

// found returns what the target's list said when it was first looked at; what it says
// now, if that is the first time.
func (w *sharingWork) found(f *sharedFolder) []migrate.Grant {
	for _, k := range w.kept {
		if k.Side == directory.Target && k.Folder == f.target.Folder {
			return k.Grants
		}
	}
	return f.target.Grants
}

func sameGrants(a, b []migrate.Grant) bool {
	among := func(all []migrate.Grant, g migrate.Grant) bool {
		return slices.ContainsFunc(all, func(other migrate.Grant) bool {
			return other.Who == g.Who && other.Denied == g.Denied && other.Rights.Same(g.Rights)
		})
	}
	for _, g := range a {
		if !among(b, g) {
			return false
		}
	}
	return len(a) == len(b)
}

// give gives the twins what they lack, denials first: a folder that is open to everybody
// is not to be open, meanwhile, to whom it is denied. What the server has made of it is
// read back.
func (w *sharingWork) give(ctx context.Context) error {
	var amends []migrate.Amend
	for _, denied := range []bool{true, false} {
		for _, f := range w.folders {
			for _, want := range f.wants {
				if want.Denied == denied {
					amends = append(amends, w.lacks(f, want)...)
				}
			}
		}
	}
	if err := w.amend(ctx, amends); err != nil {
		return err
	}
	w.notes.gave(len(amends))
	for _, f := range w.folders {
		w.missing(f)
	}
	return nil
}

// lacks returns what changes the list so that the wanted rights are on it; nothing where
// they are, or where the server knows none of them.
func (w *sharingWork) lacks(f *sharedFolder, want wanted) []migrate.Amend {
	have, _ := f.entry(want.Grant)
	rights := want.Rights.Common(f.known())
	if have.Rights.Has(rights) || want.Denied && w.conflicts(f, want) {
		return nil
	}
	grant := migrate.Grant{Who: want.Who, Rights: have.Rights.And(rights).Ordered(), Denied: want.Denied}
	if have.Who != "" {
		grant.Who = have.Who
	}
	return []migrate.Amend{{Folder: f.target.Folder, Grant: grant}}
}

// amend keeps what the lists say, carries out the changes and reads the lists that they concern again.
func (w *sharingWork) amend(ctx context.Context, amends []migrate.Amend) error {
	if len(amends) == 0 {
		return nil
	}
	if err := w.keep(ctx, amends); err != nil {
		return err
	}
	refused, err := migrate.AmendLists(ctx, w.target, amends)
	if err != nil {
		return fmt.Errorf("change who may use the target folders: %w", err)
	}
	for i, err := range refused {
		if err != nil {
			w.notes.refused(w.folderOf(amends[i].Folder).path, amends[i].Grant.Who, err)
		}
	}
	var refs []string
	for _, a := range amends {
		refs = append(refs, a.Folder)
	}
	slices.Sort(refs)
	lists, err := migrate.Lists(ctx, w.target, slices.Compact(refs))
	if err != nil {
		return fmt.Errorf("read who may use the target folders again: %w", err)
	}
	for _, list := range lists {
		f := w.folderOf(list.Folder)
		f.target = list
		w.notes.unreadable(f.path, "target", list.Err)
	}
	// Of what cannot be read back nothing is taken away.
	w.folders = slices.DeleteFunc(w.folders, func(f *sharedFolder) bool { return f.target.Err != nil })
	return nil
}

func (w *sharingWork) folderOf(ref string) *sharedFolder {
	i := slices.IndexFunc(w.folders, func(f *sharedFolder) bool { return f.target.Folder == ref })
	return w.folders[i] // every change is of one of them
}

// strip takes the entries off the target's lists that name somebody of the source: those
// whose twin has their rights, or, where permissions are only stripped, all of them.
func (w *sharingWork) strip(ctx context.Context, mode directory.PermissionMode) error {
	var amends []migrate.Amend
	for _, f := range w.folders {
		for _, g := range f.target.Grants {
			h := w.atTarget[g.Who]
			if goes(h) && (mode == directory.StripPermissions || h.Owner || w.replaced(f, g, h)) {
				amends = append(amends, migrate.Amend{Folder: f.target.Folder, Grant: g, Off: true})
			}
		}
	}
	if err := w.amend(ctx, amends); err != nil {
		return err
	}
	w.notes.took(len(amends))
	for _, f := range w.folders {
		w.left(f)
	}
	return nil
}

// goes reports whether an entry on the target's list names somebody of the source. A name
// of the owner's may be how the server spells the owner: that one never goes.
func goes(h directory.Holder) bool { return h.Legacy && (!h.Owner || !h.Named) }

// replaced reports whether the holder's twin has everything on the list that the entry
// says, in the form in which the target knows the twin.
func (w *sharingWork) replaced(f *sharedFolder, g migrate.Grant, h directory.Holder) bool {
	who := w.spelt(f, h)
	if who == "" {
		return false
	}
	have, found := f.entry(migrate.Grant{Who: who, Denied: g.Denied})
	return found && have.Rights.Has(g.Rights.Common(f.known()))
}
