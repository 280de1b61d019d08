package directory

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"reforest/migrate"
)

// An AttributeSet is what a copied attribute is there for.
type AttributeSet string

// The sets. Links are not among them: see PlanLinks.
const (
	SetBasic      AttributeSet = "basic"      // without these there is no recipient
	SetGAL        AttributeSet = "gal"        // what address books show of a person
	SetAdditional AttributeSet = "additional" // what else the organisation keeps of them
	SetResource   AttributeSet = "resource"   // of rooms and equipment alone
)

// An Attribute is one that staging copies from the source to the target.
type Attribute struct {
	Name   string
	Set    AttributeSet
	Policy Policy // unless Rules.Attributes says otherwise; Merge: it may have several values
}

// identityAttrs say which mailbox an object has. Exchange's own engine wants them at the
// target before it moves one (New-MoveRequest); anyone else must not make two objects
// that claim the same mailbox.
var identityAttrs = lowerSet(attrMailboxGUID, attrArchiveGUID, "msExchArchiveName")

// Attributes with one value, by set; what Microsoft's Prepare-MoveRequest.ps1 copies, and
// the further attributes that Exchange 2013 and later let organisations use as their own.
const (
	basicSingle = "displayName mail mailNickname msExchUserCulture msExchMailboxGuid msExchArchiveGUID"
	basicMany   = "msExchArchiveName"

	galSingle = `c co company countryCode department facsimileTelephoneNumber givenName homePhone info initials l
		mobile msExchAssistantName msExchHideFromAddressLists pager physicalDeliveryOfficeName postalCode sn st
		streetAddress telephoneAssistant telephoneNumber title`
	galMany = "otherHomePhone otherTelephone"

	// description has several values by the schema, and one on an account by MS-SAMR 3.1.1.6.
	additionalSingle = `comment deletedItemFlags delivContLength description division employeeID employeeNumber
		employeeType generationQualifier homePostalAddress ipPhone language mAPIRecipient middleName
		msDS-HABSeniorityIndex msDS-PhoneticCompanyName msDS-PhoneticDepartment msDS-PhoneticDisplayName
		msDS-PhoneticFirstName msDS-PhoneticLastName msExchBlockedSendersHash msExchELCExpirySuspensionEnd
		msExchELCExpirySuspensionStart msExchELCMailboxFlags msExchExternalOOFOptions msExchHouseIdentifier
		msExchMDBRulesQuota msExchMessageHygieneFlags msExchMessageHygieneSCLDeleteThreshold
		msExchMessageHygieneSCLJunkThreshold msExchMessageHygieneSCLQuarantineThreshold
		msExchMessageHygieneSCLRejectThreshold msExchSafeRecipientsHash msExchSafeSendersHash msExchUMSpokenName
		personalPager personalTitle pOPCharacterSet pOPContentFormat preferredLanguage
		primaryInternationalISDNNumber primaryTelexNumber showInAdvancedViewOnly street terminalServer
		textEncodedORAddress thumbnailLogo thumbnailPhoto userCert wWWHomePage`
	additionalMany = `departmentNumber internationalISDNNumber localeID msExchLabeledURI msExchPoliciesExcluded
		msExchSenderHintTranslations o otherFacsimileTelephoneNumber otherIpPhone otherMobile otherPager photo
		postalAddress postOfficeBox preferredDeliveryMethod roomNumber url userCertificate userSMIMECertificate`

	resourceSingle = "msExchResourceCapacity msExchResourceDisplay"
	resourceMany   = "msExchResourceMetaData msExchResourceSearchProperties"
)

// copied are the attributes that Copied returns.
var copied = slices.Concat(
	attributes(SetBasic, Keep, basicSingle), attributes(SetBasic, Merge, basicMany),
	attributes(SetGAL, Keep, galSingle), attributes(SetGAL, Merge, galMany),
	attributes(SetAdditional, Keep, additionalSingle, numbered("extensionAttribute", 1, 15), numbered("msExchExtensionAttribute", 16, 45)),
	attributes(SetAdditional, Merge, additionalMany, numbered("msExchExtensionCustomAttribute", 1, 5)),
	attributes(SetResource, Keep, resourceSingle), attributes(SetResource, Merge, resourceMany),
)

// copiedNames are the names of copied.
var copiedNames = namesOfSet("")

// galAttrs are what address books show of a person.
var galAttrs = namesOfSet(SetGAL)

// Copied returns the attributes that staging copies, each with the policy that it has
// unless Rules.Attributes says otherwise.
func Copied() []Attribute { return slices.Clone(copied) }

func attributes(set AttributeSet, policy Policy, lists ...string) []Attribute {
	var out []Attribute
	for _, list := range lists {
		for _, name := range strings.Fields(list) {
			out = append(out, Attribute{Name: name, Set: set, Policy: policy})
		}
	}
	return out
}

// numbered returns name with each of the numbers after it.
func numbered(name string, first, last int) string {
	var list []string
	for n := first; n <= last; n++ {
		list = append(list, name+strconv.Itoa(n))
	}
	return strings.Join(list, " ")
}

// namesOfSet returns the names of a set; "" is all of them.
func namesOfSet(set AttributeSet) []string {
	var names []string
	for _, a := range copied {
		if set == "" || a.Set == set {
			names = append(names, a.Name)
		}
	}
	return names
}

// PolicyNames returns the names of everything that a policy can be given for: the
// attributes that are copied, and the links.
func PolicyNames() []string {
	names := slices.Clone(copiedNames)
	for _, l := range links {
		names = append(names, l.name)
	}
	return names
}

// CheckPolicy returns why the policy cannot be given for the attribute; nil if it can.
func CheckPolicy(attr string, policy Policy) error {
	if !slices.Contains([]Policy{Keep, Force, Merge, Omit}, policy) {
		return fmt.Errorf("%q is no policy: want keep, force, merge or omit", policy)
	}
	single, known := policyTarget(attr)
	switch {
	case !known:
		return fmt.Errorf("%s is not copied", attr)
	case single && policy == Merge:
		return fmt.Errorf("%s has one value: want keep, force or omit", attr)
	case policy == Omit && (strings.EqualFold(attr, "mail") || strings.EqualFold(attr, "mailNickname")):
		return fmt.Errorf("%s must not be missing: want keep or force", attr)
	case policy != Keep && policy != Omit && identityAttrs[strings.ToLower(attr)]:
		return fmt.Errorf("%s says which mailbox is whose: want keep or omit", attr)
	}
	return nil
}

// policyTarget reports whether the attribute has one value, and whether a policy can be
// given for it at all.
func policyTarget(attr string) (single, known bool) {
	for _, a := range copied {
		if strings.EqualFold(a.Name, attr) {
			return a.Policy != Merge, true
		}
	}
	for _, l := range links {
		if strings.EqualFold(l.name, attr) {
			return l.single, true
		}
	}
	return false, false
}

// policy returns how an attribute of the target is kept up. Once the target delivers its
// own mail it is the primary side: what it has is no longer overwritten.
func (s *stagePlan) policy(a Attribute) Policy {
	policy := a.Policy
	if p, set := s.Rules.Attributes[strings.ToLower(a.Name)]; set {
		policy = p
	}
	primary := s.pair.Target != nil && s.pair.Target.delivers()
	if primary && policy != Omit {
		return Keep
	}
	return policy
}

// fillCopied plans what is copied as it is.
func (s *stagePlan) fillCopied(e *edit) {
	for _, a := range copied {
		policy := s.policy(a)
		if policy == Omit || !s.concerns(a) {
			continue
		}
		values, origin := s.sourceValues(a.Name)
		if len(values) == 0 && !e.entry.Has(a.Name) {
			continue
		}
		fitting := s.fitting(a.Name, values)
		if len(fitting) < len(values) && (policy == Force || len(fitting) == 0) {
			continue // what is there is better than nothing, or a part
		}
		e.from(origin).carry(a.Name, policy, fitting)
	}
}

// concerns reports whether the attribute is copied for this person.
func (s *stagePlan) concerns(a Attribute) bool {
	kind := s.pair.kind()
	switch {
	case a.Set == SetResource:
		return kind == KindRoom || kind == KindEquipment
	case identityAttrs[strings.ToLower(a.Name)]:
		return s.Rules.ExchangeMoves
	}
	return true
}

// sourceValues returns what the target is to have of an attribute, and where it is from.
func (s *stagePlan) sourceValues(name string) (values [][]byte, origin string) {
	source := s.pair.Source
	switch name {
	case "mail":
		return texts(string(s.primary)), s.primaryOrigin()
	case "mailNickname":
		if alias := cleanAlias(source.Alias); alias != source.Alias {
			return texts(alias), "made of the alias " + source.Alias
		}
	case attrPoliciesExcluded:
		// The GUIDs in it are of the source's own address policies, but for the one that
		// stands for all of them; and disconnecting adds that one to every source.
		if !source.IsMailbox() || !contains(name, source.Entry.Bytes(name), []byte(noPolicies)) {
			return nil, ""
		}
		return texts(noPolicies), "source " + name
	case "countryCode":
		if source.Entry.First(name) == "0" { // what every account has that has none
			return nil, ""
		}
	}
	return source.Entry.Bytes(name), "source " + name
}

// carry plans what the policy makes of values.
func (e *edit) carry(attr string, policy Policy, values [][]byte) {
	switch {
	case policy == Force && len(values) == 0:
		e.clear(attr)
	case policy == Force:
		e.set(attr, values...)
	case policy == Merge && e.entry.Has(attr):
		e.addLoosely(attr, values)
	case attr == "countryCode" && e.countryUnset() && len(values) > 0:
		e.set(attr, values...)
	default:
		e.fill(attr, values...)
	}
}

// countryUnset reports whether the entry's countryCode is the 0 that the server gives
// every account, and contradicts nothing that c and co say.
func (e *edit) countryUnset() bool {
	return e.entry.First("countryCode") == "0" && !e.entry.Has("c") && !e.entry.Has("co")
}

// addLoosely adds the values that the attribute does not have, taking those for the same
// that Active Directory does: it refuses one that differs in case or accents alone.
func (e *edit) addLoosely(attr string, values [][]byte) {
	have := e.entry.Bytes(attr)
	var lacking []string
	for _, v := range values {
		if !slices.ContainsFunc(have, func(h []byte) bool { return sameLoosely(attr, h, v) }) {
			lacking = append(lacking, string(v))
			have = append(slices.Clip(have), v)
		}
	}
	e.add(attr, lacking...)
}

func sameLoosely(attr string, a, b []byte) bool {
	if binaryAttrs[strings.ToLower(attr)] {
		return sameValue(attr, a, b)
	}
	return strings.EqualFold(bare(string(a)), bare(string(b)))
}

// fitting returns those of the values that the target's schema takes. What it would
// refuse is left out with a finding: one attribute must not stop a person.
func (s *stagePlan) fitting(name string, values [][]byte) [][]byte {
	values = slices.DeleteFunc(slices.Clone(values), func(v []byte) bool { return len(v) == 0 })
	definition, known := s.Target.Info.attribute(name)
	if !known {
		return nil // told once for the forest, by unknownAttributes
	}
	var fits [][]byte
	for _, v := range values {
		if why := definition.refuses(v); why != "" {
			s.leaveOut(name, why)
			continue
		}
		fits = append(fits, v)
	}
	if definition.Single && len(fits) > 1 {
		s.leaveOut(name, fmt.Sprintf("the source has %d values and the target takes one", len(fits)))
		return nil
	}
	return fits
}

func (s *stagePlan) leaveOut(attr, why string) {
	s.plan.Findings = append(s.plan.Findings, migrate.Finding{
		Rule: "attribute.left-out", Severity: migrate.Warn, Whom: s.pair.Source.String(),
		What: fmt.Sprintf("%s is not copied: %s.", attr, why), Mend: "Correct it at the source, or set it at the target by hand.",
	})
}
