package directory

import "reforest/migrate"

// Routing returns the address by which the source's mail is forwarded to the target; ""
// if none can be made.
func (d *Directories) Routing(source *Recipient) migrate.SMTPAddress {
	if source == nil || source.Alias == "" || d.Rules.TargetRouting == "" {
		return ""
	}
	return d.routingAddress(source)
}

// Forwards reports whether the source sends its mail to the target.
func (d *Directories) Forwards(pair Pair) bool { return pair.Source != nil && d.routes(pair.Source) }
