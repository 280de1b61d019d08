package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"reforest/migrate"
)

// schemaAttrs are the attributes of Exchange's schema extension that a move writes.
// The rest of what is copied is there in every Active Directory or is left out where
// the source does not have it.
var schemaAttrs = []string{
	"mailNickname", attrProxies, attrTargetAddress, attrLegacy, attrMailboxGUID, attrHomeMDB, attrHomeServer,
	attrTypeDetails, attrDisplayType, attrVersion, attrPoliciesExcluded, attrMasterSID,
}

// CheckForests returns what forbids any move between the two forests: a schema
// without Exchange's attributes, a target OU or database that is not there, no right
// to create users, a forest where mailboxes belong to Exchange.
func (d *Directories) CheckForests(ctx context.Context) ([]migrate.Finding, error) {
	findings := slices.Concat(d.checkRules(), d.unknownAttributes(), d.checkRoutingDomains())
	for _, f := range []*Forest{&d.Source, &d.Target} {
		findings = append(findings, d.admin().May(f.Side)...)
	}
	for _, check := range []func(context.Context) ([]migrate.Finding, error){
		d.checkSchemas, d.checkOU, d.checkDefaultDatabase,
	} {
		found, err := check(ctx)
		if err != nil {
			return findings, err
		}
		findings = append(findings, found...)
	}
	return findings, nil
}

func (d *Directories) checkSchemas(ctx context.Context) ([]migrate.Finding, error) {
	var findings []migrate.Finding
	for _, f := range []*Forest{&d.Source, &d.Target} {
		missing, err := f.missingAttrs(ctx, schemaAttrs)
		if err != nil {
			return nil, fmt.Errorf("read the schema of the %s forest: %w", f.Side, err)
		}
		if len(missing) > 0 {
			findings = append(findings, forbid("schema.exchange", string(f.Side),
				"The schema lacks attributes of Exchange: "+strings.Join(missing, ", ")+".",
				"Extend it with Exchange's setup: Setup.exe /PrepareSchema."))
		}
	}
	return findings, nil
}

// missingAttrs returns those of the attributes that the forest's schema does not define.
func (f *Forest) missingAttrs(ctx context.Context, attrs []string) ([]string, error) {
	var filters []Filter
	for _, a := range attrs {
		filters = append(filters, Eq("lDAPDisplayName", a))
	}
	missing := slices.Clone(attrs)
	query := Query{Base: f.Info.SchemaNC, Scope: OneLevel, Filter: Or(filters...), Attrs: []string{"lDAPDisplayName"}}
	for entry, err := range f.Reader.Find(ctx, query) {
		if err != nil {
			return nil, err
		}
		name := entry.First("lDAPDisplayName")
		missing = slices.DeleteFunc(missing, func(a string) bool { return strings.EqualFold(a, name) })
	}
	return missing, nil
}

// checkOU looks at whether users may be created where they are to be put.
func (d *Directories) checkOU(ctx context.Context) (findings []migrate.Finding, err error) {
	for _, ou := range d.places() {
		found, err := d.CheckCreate(ctx, ou, ClassUser)
		if err != nil {
			return nil, err
		}
		findings = append(findings, found...)
	}
	return findings, nil
}

// places returns every organizational unit that new target objects go into. A TargetOU
// that is missing is checkRules' to tell.
func (d *Directories) places() []DN {
	var places []DN
	if d.Rules.TargetOU != "" {
		places = append(places, d.Rules.TargetOU)
	}
	for _, t := range d.Rules.Tenants {
		if !slices.ContainsFunc(places, t.OU.Equal) {
			places = append(places, t.OU)
		}
	}
	return places
}

// CheckCreate reads what the server says we may create in the OU of the target forest. A
// class of the Class constants that is not among it forbids what needs it.
func (d *Directories) CheckCreate(ctx context.Context, ou DN, classes ...string) ([]migrate.Finding, error) {
	entry, err := d.Target.Reader.Get(ctx, ou, "objectClass", attrMayCreate)
	if errors.Is(err, ErrNotFound) {
		return []migrate.Finding{forbid("target.ou", string(ou), "The target OU does not exist, or our account may not see it.",
			"Create it, or correct target.ou in the configuration.")}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the target OU: %w", err)
	}
	may := entry.Values(attrMayCreate)
	var findings []migrate.Finding
	for _, class := range lacking(classes, may) {
		what := fmt.Sprintf("Our account may not create %ss in the target OU (%s has %s).", class, attrMayCreate, orNothing(may))
		mend := "Grant it there: " + d.Target.dsacls(ou, "T", "CCDC;"+class) + " and " + d.Target.dsacls(ou, "S", newObjectGrants(class)...)
		if class == ClassUser {
			findings = append(findings, forbid("rights.create-users", string(ou), what, mend))
		} else {
			findings = append(findings, forbid("rights.create", string(ou), what, mend))
		}
	}
	return findings, nil
}

// newObjectGrants returns dsacls' words for what is done to an object of our own: its
// attributes and permissions are written, and a user gets a password.
func newObjectGrants(class string) []string {
	grants := []string{"GRGW;;" + class, "WD;;" + class}
	if class == ClassUser {
		grants = append(grants, "CA;Reset Password;user")
	}
	return grants
}

func orNothing(values []string) string {
	if len(values) == 0 {
		return "nothing"
	}
	return quotedList(values)
}

func (d *Directories) checkDefaultDatabase(ctx context.Context) ([]migrate.Finding, error) {
	if d.Rules.Database == "" {
		return nil, nil // every row of the batch may name one
	}
	_, err := d.ResolveDatabase(ctx, d.Rules.Database)
	var ambiguous *AmbiguousError
	switch {
	case errors.As(err, &ambiguous):
		return []migrate.Finding{forbid("database.several", d.Rules.Database, ambiguous.Error()+".", "Name the database by its distinguished name.")}, nil
	case errors.Is(err, ErrNotFound):
		return []migrate.Finding{forbid("database.missing", d.Rules.Database, "The target forest has no database of that name.", "Correct target.database in the configuration.")}, nil
	}
	return nil, err
}
