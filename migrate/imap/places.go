package imap

import (
	"context"

	"reforest/migrate"
)

var _ migrate.Placer = (*Target)(nil)

// PutFolders places the folders one after another as PutFolder does, and takes the
// answers to most of its commands from bursts that were sent ahead: one of CREATE, and
// one of SUBSCRIBE and STATUS.
func (t *Target) PutFolders(ctx context.Context, want []migrate.Wanted) ([]migrate.Put, error) {
	folders := make([]migrate.Folder, len(want))
	for i, w := range want {
		folders[i] = w.Folder
	}
	c, err := t.placing(ctx, folders...)
	if err != nil {
		return nil, err
	}
	spots, err := t.placeAll(ctx, c, want)
	if err != nil {
		t.names = nil // see PutFolder
		return nil, err
	}
	return t.settleIn(ctx, c, want, spots)
}

// placeAll finds or creates the folders.
func (t *Target) placeAll(ctx context.Context, c *Conn, want []migrate.Wanted) ([]spot, error) {
	defer t.names.forget()
	spots := make([]spot, len(want))
	var seen map[int]bool
	for i, w := range want {
		if !seen[i] {
			var err error
			if seen, err = c.createAhead(ctx, t.names, want, i); err != nil {
				return nil, err
			}
		}
		p := placement{c, t.names, w.SpecialUse}
		found, err := p.put(ctx, w.Folder, string(w.Have))
		if err != nil {
			return nil, err
		}
		spots[i] = found
	}
	return spots, nil
}

// createAhead sends the CREATE that each folder from the i-th on is sure to begin with, as
// far as that can be told, and returns for which it can.
func (c *Conn) createAhead(ctx context.Context, n *names, want []migrate.Wanted, i int) (map[int]bool, error) {
	f := newForesight(n)
	seen := map[int]bool{i: true}
	var commands []create
	for ; i < len(want); i++ {
		command, sure := f.see(placement{c, f.names, want[i].SpecialUse}, want[i])
		if sure {
			seen[i] = true
		}
		if command.name != "" {
			commands = append(commands, command)
		}
	}
	if len(commands) < 2 {
		return seen, nil // there is nothing to gain
	}
	var sends []sending
	for _, command := range commands {
		sends = append(sends, sending{op: "imap.Create", parts: command.parts()})
	}
	err := c.burst(ctx, sends, func(i int, s status, err error) error {
		n.asked[commands[i]] = s
		return err
	})
	return seen, err
}

// forget takes over what was created ahead, and not asked for after all, as being there.
func (n *names) forget() {
	for command, s := range n.asked {
		if s.ok() {
			name := command.name
			if n.delim != "" && name[len(name)-1:] == n.delim {
				n.made(name[:len(name)-1], true)
			} else {
				n.made(name, false)
			}
		}
	}
	clear(n.asked)
}

// settleIn subscribes to the folders and finds out where they stand.
func (t *Target) settleIn(ctx context.Context, c *Conn, want []migrate.Wanted, spots []spot) ([]migrate.Put, error) {
	if err := c.unselect(ctx); err != nil {
		return nil, err
	}
	puts := make([]migrate.Put, len(want))
	var sends []sending
	var takes []func(status) error
	for i, w := range want {
		at := &spots[i]
		if w.Subscribed && !t.names.wanted[at.name] {
			sends = append(sends, sending{op: "imap.Subscribe", parts: []part{raw("SUBSCRIBE "), astring(at.name)}})
			takes = append(takes, func(s status) error { return t.names.subscribed(at, s) })
		}
		if !w.Container {
			numbers := map[string]uint64{}
			sends = append(sends, statusOf(at.name, markItems, numbers))
			takes = append(takes, func(s status) (err error) {
				puts[i].Mark, err = t.marked(at.name, s, numbers)
				return err
			})
		}
	}
	err := c.burst(ctx, sends, func(i int, s status, err error) error {
		if err != nil {
			return err
		}
		return takes[i](s)
	})
	if err != nil {
		return nil, err
	}
	for i, at := range spots {
		puts[i].Placed = migrate.Placed{Ref: migrate.Ref(at.name), Mapped: at.mapped}
	}
	return puts, nil
}

// marked makes a mark of the answer to STATUS; "" where that tells no UIDs.
func (t *Target) marked(name string, s status, numbers map[string]uint64) (migrate.Mark, error) {
	if err := statusRefused(name, s); err != nil {
		return "", err
	}
	at := place{uint32(numbers["UIDVALIDITY"]), uint32(numbers["UIDNEXT"])}
	if at.uidValidity == 0 || at.uid == 0 {
		return "", nil // Mark asks again, with care
	}
	t.stood(migrate.Ref(name), at)
	return migrate.Mark(at.String()), nil
}
