package directory

import (
	"fmt"
	"strconv"
)

// Bits of userAccountControl (MS-ADTS 2.2.16).
const (
	accountDisabled = 0x02 // ADS_UF_ACCOUNTDISABLE
	accountOpen     = 0x20 // ADS_UF_PASSWD_NOTREQD
)

const (
	attrPassword    = "unicodePwd"
	attrPasswordSet = "pwdLastSet"
	// attrMaker tells objects that were made from those that were adopted, which carry the
	// same mark: the account of one that was made has no password that anybody knows.
	attrMaker = "adminDisplayName"
	maker     = "made by reforest"
)

const whyAccount = "give the target account a random password and enable it"

// planAccount plans what becomes of the target account once its mailbox is open. One that
// was made for the move and never had a password gets one and is enabled; whatever else
// is disabled is left to a person.
func (d *Directories) planAccount(plan *Plan, pair Pair) {
	target := pair.Target
	plan.Findings = append(plan.Findings, d.checkOwner(pair)...)
	if d.ownerOf(pair).sid != "" || target.MasterSID != "" {
		return
	}
	e := edit{entry: target.Entry}
	e.about(attrAccountControl)
	switch {
	case !target.Disabled:
	case target.made(pair) && !target.hadPassword():
		e.enable()
	default:
		plan.Findings = append(plan.Findings, warn("account.disabled", pair.Source.String(),
			fmt.Sprintf("The account %s is disabled, and is left so: it was there before the move, or has had a password.", target.DN),
			"Enable it, and give it a password, if its owner is to log on with it."))
	}
	e.addTo(plan, Target, whyAccount)
}

// made reports whether the object was made for the source of the pair.
func (r *Recipient) made(pair Pair) bool {
	source, marked := r.MarkedFor()
	return marked && source == pair.Source.GUID && r.Entry.First(attrMaker) == maker
}

// hadPassword reports whether the account ever had a password, as far as pwdLastSet
// tells: it is also 0 for one that has to be changed (MS-ADA3 2.175).
func (r *Recipient) hadPassword() bool {
	set := r.Entry.First(attrPasswordSet)
	return set != "" && set != "0"
}

// enable plans a password that nobody knows and the bits that let the account log on.
func (e *edit) enable() {
	control, _ := strconv.ParseInt(e.entry.First(attrAccountControl), 10, 64) // ParseRecipient has read it
	e.mods = append(e.mods, Mod{Op: RandomPassword, Attr: attrPassword, Origin: "made up when it is set"})
	e.from("constant").setText(attrAccountControl, number(control&^(accountDisabled|accountOpen)))
}

// enabled reports whether an entry that was read with userAccountControl can log on.
func enabled(entry *Entry) bool {
	control, err := strconv.ParseInt(entry.First(attrAccountControl), 10, 64)
	return err == nil && control&accountDisabled == 0
}
