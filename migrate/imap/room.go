package imap

import (
	"context"
	"strconv"
	"strings"

	"reforest/migrate"
)

var _ migrate.Room = (*Target)(nil)

// quotaUnit is what STORAGE counts in, in octets (RFC 9208 5.1).
const quotaUnit = 1024

// Room returns what the smallest of the inbox's quotas leaves (RFC 9208 4.1.2; RFC 2087
// 4.3 asks and answers alike). A server without QUOTA, or without a limit on STORAGE,
// does not say.
func (t *Target) Room(ctx context.Context) (free int64, limited bool, err error) {
	c, err := t.ready(ctx)
	if err != nil || !c.Offers("QUOTA") {
		return 0, false, err
	}
	handle := func(r reply) error {
		if r.name != "QUOTA" {
			return nil
		}
		left, told, err := r.lex.storageLeft()
		if err == nil && told && (!limited || left < free) {
			free, limited = left, true
		}
		return err
	}
	s, err := c.do(ctx, "imap.Quota", handle, raw("GETQUOTAROOT "), astring(inbox))
	if err == nil && !s.ok() {
		err = refused("imap.Quota", s, migrate.OneMailbox, migrate.Later)
	}
	return free, limited, err
}

// storageLeft reads the name of a quota root and its list of resource, usage and limit
// (RFC 9208 5.1), and returns how many octets are left.
func (x *lexer) storageLeft() (left int64, told bool, err error) {
	if _, err := x.value(); err != nil {
		return 0, false, err
	}
	list, err := x.value()
	if err != nil {
		return 0, false, err
	}
	words := list.texts()
	for i := 0; i+2 < len(words); i += 3 {
		used, err1 := strconv.ParseInt(words[i+1], 10, 53)
		limit, err2 := strconv.ParseInt(words[i+2], 10, 53)
		if strings.EqualFold(words[i], "STORAGE") && err1 == nil && err2 == nil {
			return max(limit-used, 0) * quotaUnit, true, nil
		}
	}
	return 0, false, nil
}
