package imap

import (
	"context"
	"strconv"
	"strings"

	"reforest/migrate"
)

var (
	_ migrate.Room     = (*Target)(nil)
	_ migrate.Measured = (*Source)(nil)
	_ migrate.Measured = (*Target)(nil)
)

// quotaUnit is what STORAGE counts in, in octets (RFC 9208 5.1).
const quotaUnit = 1024

// Room returns what the tightest of the inbox's quotas leaves.
func (t *Target) Room(ctx context.Context) (free int64, limited bool, err error) {
	q, err := t.Quota(ctx)
	return max(q.Limit-q.Used, 0), q.Limited, err
}

// Quota returns that of the inbox's quotas on STORAGE which leaves least (RFC 9208 4.1.2;
// RFC 2087 4.3 asks and answers alike). A server without QUOTA, or without a limit, does
// not say.
func (s *session) Quota(ctx context.Context) (tightest migrate.Quota, err error) {
	c, err := s.ready(ctx)
	if err != nil || !c.Offers("QUOTA") {
		return migrate.Quota{}, err
	}
	handle := func(r reply) error {
		if r.name != "QUOTA" {
			return nil
		}
		q, err := r.lex.storage()
		if err == nil && q.Limited && (!tightest.Limited || q.Limit-q.Used < tightest.Limit-tightest.Used) {
			tightest = q
		}
		return err
	}
	answer, err := c.do(ctx, "imap.Quota", handle, raw("GETQUOTAROOT "), astring(inbox))
	if err == nil && !answer.ok() {
		err = refused("imap.Quota", answer, migrate.OneMailbox, migrate.Later)
	}
	return tightest, err
}

// storage reads the name of a quota root and its list of resource, usage and limit
// (RFC 9208 5.1).
func (x *lexer) storage() (migrate.Quota, error) {
	root, err := x.value()
	if err != nil {
		return migrate.Quota{}, err
	}
	list, err := x.value()
	if err != nil {
		return migrate.Quota{}, err
	}
	words := list.texts()
	for i := 0; i+2 < len(words); i += 3 {
		used, err1 := strconv.ParseInt(words[i+1], 10, 53)
		limit, err2 := strconv.ParseInt(words[i+2], 10, 53)
		if strings.EqualFold(words[i], "STORAGE") && err1 == nil && err2 == nil {
			return migrate.Quota{Root: root.text, Used: used * quotaUnit, Limit: limit * quotaUnit, Limited: true}, nil
		}
	}
	return migrate.Quota{}, nil
}

// SaveDates reports whether the server keeps when a message came into its folder (RFC 8514).
func (s *session) SaveDates(ctx context.Context) (bool, error) {
	c, err := s.ready(ctx)
	return err == nil && c.Offers("SAVEDATE"), err
}
