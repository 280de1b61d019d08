package directory

import (
	"context"
	"fmt"
	"strings"

	"reforest/migrate"
)

// checkDoubled looks for other source objects with an address, X500 name, legacyExchangeDN
// or alias of source. Each of them is found from each other one, so that none is staged
// first and takes the name from the rest.
func (d *Directories) checkDoubled(ctx context.Context, source *Recipient) ([]migrate.Finding, error) {
	names := addressSet{smtp: source.Proxies.SMTP(), x500: source.x500()}
	shared := func(r *Recipient) string {
		if r.GUID == source.GUID {
			return ""
		}
		if value := names.shared(r); value != "" {
			return value
		}
		if source.Alias != "" && strings.EqualFold(r.Alias, source.Alias) {
			return "mailNickname " + source.Alias
		}
		return ""
	}
	terms := names.terms()
	if source.Alias != "" {
		terms = append(terms, term{Eq("mailNickname", source.Alias), []nameKey{keyOf(keyAlias, source.Alias)}})
	}
	found, err := d.Source.seek(ctx, terms, func(r *Recipient) bool { return shared(r) != "" })
	if err != nil {
		return nil, fmt.Errorf("look for doubled names: %w", err)
	}
	var findings []migrate.Finding
	for _, other := range found {
		findings = append(findings, forbid("address.doubled", source.String(),
			fmt.Sprintf("%s and %s of the source forest both have %s.", source.DN, other.DN, shared(other)),
			"Take it off the one that it does not belong to."))
	}
	return findings, nil
}
