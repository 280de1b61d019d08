package directory

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"reforest/migrate"
)

// mostHops is how many objects beyond the pair a forwarding is followed through.
const mostHops = 3

// A stop is one object that a mail comes to on its way.
type stop struct {
	side Side
	who  *Recipient
}

func (s stop) String() string { return fmt.Sprintf("%s (%s)", s.who.DN, s.side) }

// checkChains follows targetAddress from both sides of the pair, through other objects of
// either forest, and finds circles and dead ends. A circle of the two alone is what
// checkLoop and checkForward look for.
func (d *Directories) checkChains(ctx context.Context, pair Pair) ([]migrate.Finding, error) {
	starts := []stop{{Source, pair.Source}}
	if pair.Target != nil {
		starts = append(starts, stop{Target, pair.Target})
	}
	for _, start := range starts {
		way, end, err := d.follow(ctx, start)
		if err != nil {
			return nil, err
		}
		if findings := d.judgeWay(pair, way, end); len(findings) > 0 {
			return findings, nil // the other start would tell of the same circle
		}
	}
	return nil, nil
}

// follow returns the objects that mail for the first comes to, the first included, and
// the address at which nobody was found on the last's way; nil if it found everybody.
// The way ends where it comes back, where mail is delivered, or after mostHops.
func (d *Directories) follow(ctx context.Context, from stop) (way []stop, nobody *migrate.SMTPAddress, err error) {
	way = []stop{from}
	for at := from; at.who.TargetAddress != "" && len(way) <= mostHops+1; {
		addr := at.who.forwardsTo()
		next, known, err := d.receiver(ctx, at, addr)
		if err != nil {
			return nil, nil, err
		}
		if next == nil {
			if known {
				return way, &addr, nil
			}
			return way, nil, nil
		}
		way = append(way, *next)
		if comesBack(way) {
			return way, nil, nil
		}
		at = *next
	}
	return way, nil, nil
}

// receiver returns who gets mail that is sent on to the address: another object of the
// same forest, which looks among its own recipients first, else one of the other forest,
// unless the own side claims the domain. Nil: nobody, or it cannot be told; the second
// result is true if a side claims the domain and bounces what it has nobody for.
func (d *Directories) receiver(ctx context.Context, at stop, addr migrate.SMTPAddress) (next *stop, known bool, err error) {
	here, there := d.owns(at.side, addr.Domain()), d.owns(other(at.side), addr.Domain())
	sides := []Side{at.side, other(at.side)}
	if here {
		sides = sides[:1]
	}
	known = here != there // that both claim it is domain.both
	for _, side := range sides {
		holders, err := d.forest(side).holders(ctx, addressSet{smtp: []migrate.SMTPAddress{addr}})
		if err != nil {
			return nil, false, fmt.Errorf("follow targetAddress of %q: %w", at.who.DN, err)
		}
		if len(holders) > 1 {
			return nil, false, nil // address.taken says so
		}
		if len(holders) == 1 && (side != at.side || !holders[0].same(at.who)) {
			return &stop{side, holders[0]}, true, nil
		}
	}
	return nil, known, nil
}

func other(side Side) Side {
	if side == Source {
		return Target
	}
	return Source
}

// comesBack reports whether the last stop was on the way before.
func comesBack(way []stop) bool {
	last := way[len(way)-1]
	return slices.ContainsFunc(way[:len(way)-1], func(s stop) bool {
		return s.side == last.side && s.who.same(last.who)
	})
}

// judgeWay turns a way that does not end in a mailbox into a finding.
func (d *Directories) judgeWay(pair Pair, way []stop, nobody *migrate.SMTPAddress) []migrate.Finding {
	last := way[len(way)-1]
	switch {
	case nobody != nil && nobody.Key() == d.routingAddress(pair.Source).Key():
		return nil // that the target lacks it is routing.missing, or to be staged yet
	case nobody != nil:
		return []migrate.Finding{warn("route.nobody", pair.Source.String(),
			fmt.Sprintf("targetAddress of %s is %s, and no object of the side that owns the domain has that address: its mail bounces.", last, *nobody),
			"Correct targetAddress, or give the address to whoever is meant.")}
	case len(way) > 1 && (comesBack(way) || d.sendsBack(pair, way)) && hasThird(pair, way):
		return []migrate.Finding{forbid("route.loop", pair.Source.String(),
			"Mail goes in a circle by targetAddress: "+wayText(way)+".",
			"Clear targetAddress of the object among them that is not to forward.")}
	}
	return nil
}

// sendsBack reports whether the way ends at the pair's target while that has no mailbox:
// it sends its mail to the source, or will once it is staged.
func (d *Directories) sendsBack(pair Pair, way []stop) bool {
	last := way[len(way)-1]
	return way[0].side == Source && last.side == Target && last.who.same(pair.Target) && !last.who.IsMailbox() && pair.Source.IsMailbox()
}

// hasThird reports whether somebody but the pair is on the way.
func hasThird(pair Pair, way []stop) bool {
	return slices.ContainsFunc(way, func(s stop) bool { return !s.who.same(pair.Source) && !s.who.same(pair.Target) })
}

// wayText names every stop with what it sends mail to.
func wayText(way []stop) string {
	var parts []string
	for _, s := range way {
		text := s.String()
		if s.who.TargetAddress != "" {
			text += " sends to " + s.who.TargetAddress
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

// distinctFindings leaves out those that say the same again.
func distinctFindings(findings []migrate.Finding) []migrate.Finding {
	var out []migrate.Finding
	for _, f := range findings {
		if !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out
}
