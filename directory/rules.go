package directory

import (
	"slices"

	"reforest/migrate"
)

// A Rule is what a finding's id stands for. Every id that is used anywhere has one.
type Rule struct {
	ID       string           // stable: scripts look for it
	Severity migrate.Severity // the gravest that it is found with
	Means    string           // in one sentence
	Mend     string           // what to do about it; "" where there is nothing to do
	Source   string           // where the requirement comes from
}

// Where requirements come from, as Rule.Source has it.
const (
	fromACL        = "RFC 4314"
	fromOwn        = "reforest: nothing lost, doubled or guessed"
	fromSwitch     = "reforest: the order of the switch"
	fromADTS       = "MS-ADTS"
	fromProxies    = "MS-OXLDAP 2.2.3.4, proxyAddresses"
	fromIMCEA      = "MS-OXCMAIL 2.1.3.1.8, IMCEAEX"
	fromAccepted   = "Exchange, accepted domains"
	fromMRS        = "Microsoft, preparing mailboxes for cross-forest moves"
	fromDisconnect = "Microsoft, Disable-Mailbox"
	fromConfig     = "configuration"
)

// AllRules returns the rules, sorted by id.
func AllRules() []Rule {
	rules := slices.Concat(batchRules, addressRules, objectRules, forestRules, moveRules, permissionRules, contentRules, linkRules)
	slices.SortFunc(rules, func(a, b Rule) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return rules
}

// RuleOf returns the rule with the id.
func RuleOf(id string) (Rule, bool) {
	all := AllRules()
	i := slices.IndexFunc(all, func(r Rule) bool { return r.ID == id })
	if i < 0 {
		return Rule{}, false
	}
	return all[i], true
}

// batchRules are about who is in a batch, and who stands for them.
var batchRules = []Rule{
	{"batch.other", migrate.Forbid, "The mailbox belongs to another batch that has begun with it.", "Take it off one of the two.", fromOwn},
	{"batch.same", migrate.Forbid, "Two rows of the batch mean one mailbox.", "Leave one of them in the batch file.", fromOwn},
	{"match.adopt", migrate.Forbid, "An object matches the person, by evidence that is not enough to change it.", "Decide in the decision file, or list the match rule under match.adopt.", fromOwn},
	{"match.left", migrate.Forbid, "The decision file leaves the person out.", "Take it off the batch, or change the decision.", fromConfig},
	{"match.marked-other", migrate.Warn, "A target object that shares something with the person carries another's mark.", "Take what they share off the one that it does not belong to.", fromOwn},
	{"match.other", migrate.Warn, "Weaker match rules point to another target object.", "Remove the one that is too much, or take what they share off it.", fromOwn},
	{"match.class", migrate.Forbid, "What stands for a contact or group at the target is of another class.", "Take the shared address off the one that is somebody else.", fromOwn},
	{"match.contact", migrate.Forbid, "A contact at the target may stand for the person, and is not adopted.", "Decide in the decision file: adopted, it is replaced by a mail user.", fromMRS},
	{"contact.address-elsewhere", migrate.Forbid, "The contact that is to be replaced sends its mail to somebody else.", "Correct its targetAddress.", fromMRS},
	{"contact.links-elsewhere", migrate.Forbid, "Objects that the server does not answer for point to the contact that is to be replaced.", "Replace it there by hand.", fromADTS + " 3.1.1.1.6"},
	{"contact.security-group", migrate.Warn, "The contact is in a security group, whose rights the user will have.", "Take the contact out before.", fromOwn},
	{"match.group", migrate.Forbid, "A group at the target has an address of the person.", "Take the shared address off the group.", fromMRS},
	{"match.mailbox", migrate.Forbid, "A mailbox at the target, made by nobody of ours, has an address of the person.", "Find out whose it is, and remove the shared address.", fromMRS},
	{"match.second", migrate.Warn, "A further target object has the person's mailbox GUID, SID, employeeID, or name and local part.", "Keep one object for one person.", "Exchange, NTDSNoMatch and the resource mailbox wizard"},
	{"match.several", migrate.Forbid, "Several target objects may stand for the person.", "Decide, or take what they share off all but the right one.", fromOwn},
	{"match.shared", migrate.Forbid, "Two rows of the batch, or two source objects, lead to one target object.", "Leave one of them in the batch file, or decide whose it is.", fromOwn},
	{"match.source", migrate.Forbid, "The row names no source object, or several.", "Give the mail address, UPN, DOMAIN\\name, DN or objectGUID of one mailbox.", fromOwn},
	{"source.moved", migrate.Forbid, "The mailbox is in the target forest already, and the store does not know how.", "Go on with the store that moved it.", fromOwn},
	{"target.opened", migrate.Forbid, "The target mailbox was opened by a move that the store does not know.", "Go on with the store that began the move.", fromOwn},
}

// addressRules are about where mail goes.
var addressRules = []Rule{
	{"address.cleaned", migrate.Warn, "An address is not legal, and its cleaned form is written.", "Correct it at the source.", "RFC 5321 4.1.2"},
	{"address.doubled", migrate.Forbid, "Two source objects have one address, alias or legacyExchangeDN.", "Take it off one of them.", fromProxies},
	{"address.missing", migrate.Forbid, "The target lacks an address of the source.", "Stage the move again.", fromMRS},
	{"address.taken", migrate.Forbid, "Somebody else has an address that the move has to write.", "Remove it from one of the two.", fromProxies},
	{"domain.both", migrate.Forbid, "Mail is to be sent on to a domain that both sides claim as their own.", "Use an address in a domain that one side alone delivers.", fromAccepted},
	{"domain.routing-both", migrate.Forbid, "The domain that mail is forwarded by is claimed by the other side as well.", "Make it an internal relay domain there, or name another.", fromAccepted},
	{"domain.routing-unowned", migrate.Forbid, "The domain that mail is forwarded by is not accepted by its own side.", "Accept it there as authoritative.", fromAccepted},
	{"domain.unaccepted", migrate.Warn, "Neither side takes mail for the domain of an address.", "Accept the domain on one side, or remove the address.", fromAccepted},
	{"domain.unknown", migrate.Note, "It is not known which domains the source accepts.", "", fromAccepted},
	{"route.loop", migrate.Forbid, "targetAddress leads in a circle through other objects.", "Clear it on the one that is not to forward.", "Exchange, targetAddress"},
	{"route.nobody", migrate.Warn, "targetAddress leads to an address that nobody has on the side that owns the domain.", "Correct it, or give somebody the address.", "Exchange, targetAddress"},
	{"routing.missing", migrate.Forbid, "The address that mail is forwarded by is missing on one side.", "Stage the move again.", fromMRS},
	{"source.address", migrate.Forbid, "The source has no SMTP address.", "Give it a primary one.", fromProxies},
	{"source.alias", migrate.Forbid, "The source has no alias.", "Give it one: addresses are made of it.", fromMRS},
	{"source.forwards", migrate.Warn, "The source mailbox sends its mail on to somebody.", "Clear targetAddress if it should keep its mail.", "Exchange, targetAddress"},
	{"source.forwards-to-target", migrate.Forbid, "The source sends its mail to the target, which would send it back.", "Clear targetAddress of the source (check --mend does it).", "Exchange, targetAddress"},
	{"source.primary-none", migrate.Warn, "No SMTP address is marked as primary.", "Mark one (check --mend marks the one that mail names).", fromProxies},
	{"source.primary-several", migrate.Warn, "Several SMTP addresses are marked as primary.", "Mark one (check --mend keeps the one that mail names).", fromProxies},
	{"source.routing", migrate.Warn, "The source has no address in the domain that it alone delivers.", "Add one.", fromMRS},
	{"target.primary-several", migrate.Warn, "Several SMTP addresses of the target are marked as primary; one stays.", "Mark another if that is not the right one.", fromProxies},
	{"target.address-elsewhere", migrate.Forbid, "The target sends the person's mail to somebody else.", "Correct or clear its targetAddress.", fromMRS},
	{"x500.missing", migrate.Forbid, "One side lacks a name of the other as X500: replies to old mail bounce.", "Stage the move again.", fromIMCEA},
	{"x500.one-way", migrate.Warn, "A target object has an X500 name that its source object lacks.", "Stage it again.", fromIMCEA},
	{"x500.source-missing", migrate.Warn, "The source has no legacyExchangeDN.", "Let Exchange's Update-Recipient set one.", fromIMCEA},
	{"x500.unowned", migrate.Warn, "No target object owns a name of a source recipient: replies to its old mail bounce.", "Stage it.", fromIMCEA},
}

// objectRules are about the source and target objects and their mailboxes.
var objectRules = []Rule{
	{"account.disabled", migrate.Warn, "The target account was disabled before, and is left so.", "Enable it, and give it a password.", fromADTS + " 2.2.16"},
	{"account.owner", migrate.Warn, "Another account owns the target object than the mailbox is to belong to.", "Clear or correct msExchMasterAccountSid.", fromMRS},
	{"account.two-owners", migrate.Warn, "The target account is enabled although another one is to own the mailbox.", "Disable it, or clear msExchMasterAccountSid.", fromMRS},
	{"attribute.left-out", migrate.Warn, "A value is not copied, because the target would not take it.", "Correct it at the source, or set it by hand.", fromADTS + " 3.1.1.2.3"},
	{"mark.taken", migrate.Warn, "adminDescription has another value, so our mark is not set.", "Clear it if nothing else needs it.", fromOwn},
	{"account.protected", migrate.Warn, "The account is protected by AdminSDHolder: rights in its OU do not reach it.", "Clear adminCount and inherit permissions, or grant on AdminSDHolder.", fromADTS + " 3.1.1.6.1"},
	{"archive.no-target", migrate.Warn, "The mailbox has an archive and the target has none.", "Make one and move its content.", fromMRS},
	{"hold.litigation", migrate.Warn, "The mailbox is on litigation hold.", "Ask who ordered it, and set it at the target.", "Exchange, msExchELCMailboxFlags"},
	{"hold.policies", migrate.Warn, "In-place holds keep the mailbox.", "Ask who ordered them, and set them at the target.", "Exchange, msExchUserHoldPolicies"},
	{"mailbox.empty-beside-full", migrate.Forbid, "An empty mailbox is connected while a full one of the same owner is disconnected.", "Connect the full one.", "Exchange, split mailboxes after moves"},
	{"mailbox.split", migrate.Forbid, "Two objects claim one mailbox.", "Clear msExchMailboxGuid and homeMDB of the wrong one.", "Exchange, split mailboxes after moves"},
	{"mailbox.two-databases", migrate.Forbid, "One mailbox is connected on two databases.", "Disconnect the wrong one.", "Exchange, split mailboxes after moves"},
	{"mailbox.unswept", migrate.Note, "The mail driver cannot list disconnected mailboxes.", "", "Exchange, split mailboxes after moves"},
	{"source.alt-recipient", migrate.Note, "The source's mail is delivered to somebody else as well.", "", "Exchange, altRecipient"},
	{"source.disabled", migrate.Warn, "The account is disabled and no other account owns the mailbox.", "Check whether anybody still needs it.", fromMRS},
	{"source.not-mailbox", migrate.Forbid, "The source object has no mailbox.", "Name the object that has it.", fromMRS},
	{"source.team-mailbox", migrate.Note, "It is a team mailbox, and becomes a shared one.", "", fromMRS},
	{"source.two-owners", migrate.Warn, "The account is enabled although another one owns the mailbox.", "Disable it, or clear msExchMasterAccountSid.", fromMRS},
}

// forestRules are about the forests, the configuration and our own account.
var forestRules = []Rule{
	{"check.offline", migrate.Note, "The forests were judged from files.", "", fromOwn},
	{"check.stale", migrate.Warn, "A file that the forest was judged from is old.", "Collect it again.", fromOwn},
	{"database.missing", migrate.Forbid, "The target forest has no database of that name.", "Correct the name.", fromConfig},
	{"database.several", migrate.Forbid, "Several databases have that name.", "Name it by its distinguished name.", fromConfig},
	{"database.unset", migrate.Forbid, "No target database is named.", "Name one.", fromConfig},
	{"exchange.owns-mailboxes", migrate.Forbid, "Exchange runs there, and only its own tools may enable, disconnect or reconnect mailboxes.", "Configure a runner that has Exchange's tools, or let Exchange move the mailboxes.", fromDisconnect},
	{"files.unwritable", migrate.Forbid, "The directory of the store or of the reports cannot be written.", "Make it writable, or name another.", fromConfig},
	{"mail.mailbox", migrate.Forbid, "A source mailbox cannot be opened on the mail server.", "See whether it is there, and whether our account may open it.", fromOwn},
	{"mail.smtp", migrate.Warn, "A mail server that is to say that it takes the forwarded mail does not answer.", "Correct the configuration, or see why it does not answer.", fromConfig},
	{"mail.untried", migrate.Note, "A mail server was not tried.", "Name a mailbox that can be opened.", fromConfig},
	{"rights.create", migrate.Forbid, "Our account may not create contacts or groups in the target OU.", "Grant it as the finding says.", fromADTS + " 3.1.1.4.5.4, allowedChildClassesEffective"},
	{"rights.create-users", migrate.Forbid, "Our account may not create users in the target OU.", "Grant it as the finding says.", fromADTS + " 3.1.1.4.5.4, allowedChildClassesEffective"},
	{"rights.permissions", migrate.Forbid, "Our account may not change permissions of target users.", "Grant it as the finding says.", fromADTS + " 3.1.1.4.5.3, sDRightsEffective"},
	{"rights.untold", migrate.Note, "The server does not tell what our account may do.", "", fromADTS + " 3.1.1.4.5"},
	{"rights.write", migrate.Forbid, "Our account may not write attributes that a move writes.", "Grant it as the finding says.", fromADTS + " 3.1.1.4.5.5, allowedAttributesEffective"},
	{"rules.shut-out", migrate.Forbid, "Owners are to be shut out of a protocol that there is not.", "Configure http, imap4, mapi or pop3.", fromConfig},
	{"rules.legacy-prefix", migrate.Forbid, "The prefix of legacyExchangeDN is malformed.", "Configure /o=Organisation/ou=Group.", fromConfig},
	{"rules.target-ou", migrate.Forbid, "No OU is named for new target users.", "Configure it.", fromConfig},
	{"rules.target-routing", migrate.Forbid, "No mail domain is named that only the target delivers.", "Configure it.", fromConfig},
	{"schema.attributes", migrate.Warn, "The target's schema lacks attributes that the source has; they are not copied.", "Extend it, or leave them behind.", fromADTS + " 3.1.1.2.3"},
	{"schema.tenants", migrate.Forbid, "The target's schema lacks what keeps companies apart.", "Extend it: Setup.exe /PrepareSchema.", fromADTS + " 3.1.1.2.3"},
	{"schema.exchange", migrate.Forbid, "The schema lacks attributes of Exchange.", "Extend it: Setup.exe /PrepareSchema.", fromADTS + " 3.1.1.2.3"},
	{"tenant.leak", migrate.Forbid, "The person could see, or be seen by, another company.", "Make it that of the person's own.", "Exchange, hosting several companies"},
	{"tenant.none", migrate.Forbid, "The person belongs to none of the tenants.", "Correct what selects the tenants' people.", fromConfig},
	{"tenant.outside", migrate.Warn, "The target object lies outside of where its company looks for people.", "Move it there.", "Exchange, hosting several companies"},
	{"tenant.several", migrate.Forbid, "The person belongs to several tenants.", "Correct what selects the tenants' people.", fromConfig},
	{"target.ou", migrate.Forbid, "The target OU does not exist, or may not be seen.", "Create it, or correct the configuration.", fromConfig},
}

// moveRules are about a move under way and its end.
var moveRules = []Rule{
	{"deliver.no-mailbox", migrate.Forbid, "The target has no mailbox that could take the mail.", "Open it first.", fromSwitch},
	{"forward.loop", migrate.Forbid, "The target sends its mail to the source; forwarding to it would make a loop.", "Let the target deliver first.", fromSwitch},
	{"forward.no-address", migrate.Forbid, "No address can be made for forwarding.", "Configure the routing domain and set the alias.", fromSwitch},
	{"forward.no-mailbox", migrate.Forbid, "The target has no mailbox that could take the forwarded mail.", "Open it first.", fromSwitch},
	{"close.delivers", migrate.Forbid, "The target still delivers mail, so its mailbox is not taken away.", "Let it send its mail to the source first.", fromSwitch},
	{"close.source", migrate.Forbid, "The source does not deliver mail, so the target's mailbox is not taken away.", "Let the source deliver first.", fromSwitch},
	{"letin.changed", migrate.Warn, "The owner's protocols at the source were changed by somebody else, and are left so.", "See whether the owner may use the mailbox again.", "Exchange, protocolSettings"},
	{"mailbox.by-mail-system", migrate.Note, "The mail system gives or takes the mailbox by itself.", "", fromDisconnect},
	{"open.no-target", migrate.Forbid, "There is no target user whose mailbox could be opened.", "Stage the move first.", fromSwitch},
	{"rollback.source-fewer", migrate.Forbid, "The old mailbox holds fewer items than were moved out of it.", "Ask who deleted them; restore it if it is empty.", "the ledger of the move"},
	{"rollback.account", migrate.Note, "The account that was enabled with the target mailbox is disabled with it.", "", fromADTS + " 2.2.16"},
	{"rollback.changed", migrate.Forbid, "Somebody else has changed what a rollback would write.", "Find out who needs it so, and set it back or roll back by hand.", fromOwn},
	{"rollback.database-gone", migrate.Forbid, "The database of the source's mailbox is gone.", "Restore it under its name.", fromDisconnect},
	{"rollback.goes-along", migrate.Warn, "A setting of the target mailbox that the move did not make goes along with it.", "Set it again once the mailbox is moved again.", fromOwn},
	{"rollback.forgotten", migrate.Warn, "The source may not keep the disconnected mailbox any more.", "See whether it is there; restore it from a backup if not.", "Exchange, MailboxRetention"},
	{"rollback.gone", migrate.Forbid, "One of the two objects is gone.", "Restore it from the recycle bin.", fromOwn},
	{"rollback.not-begun", migrate.Forbid, "Nothing was changed for the move yet.", "Leave it out.", fromOwn},
	{"rollback.no-record", migrate.Forbid, "The source has no mailbox, and the journal does not know which one it had.", "Roll back with the store that switched it.", fromOwn},
	{"rollback.no-right", migrate.Forbid, "Our account may not write what a rollback writes.", "Grant it as the finding says.", fromADTS + " 3.1.1.4.5.5, allowedAttributesEffective"},
	{"rollback.other-mailbox", migrate.Forbid, "The source has got another mailbox than the one that was moved.", "Find out whose it is.", fromOwn},
	{"sendback.loop", migrate.Forbid, "The source does not deliver yet, so the target does not send its mail there.", "Let the source deliver first.", fromSwitch},
	{"stepback.forwards", migrate.Forbid, "The source does not deliver any more, so the target cannot step back.", "Go forward, or roll back.", fromSwitch},
	{"switch.domain", migrate.Forbid, "The domain that the source is to send mail to is not the target's alone.", "Correct target.routing, or the accepted domains.", fromAccepted},
	{"switch.hold", migrate.Forbid, "The mailbox is on hold.", "Ask who ordered it; the configuration may let held mailboxes be switched.", "Exchange, msExchELCMailboxFlags and msExchUserHoldPolicies"},
	{"switch.no-right", migrate.Forbid, "Our account may not write what the switch writes.", "Grant it as the finding says.", fromADTS + " 3.1.1.4.5.5, allowedAttributesEffective"},
	{"switch.target-address", migrate.Forbid, "The target does not send its mail to the source before the switch.", "Find out who changed it; stage the move again.", fromSwitch},
	{"verify.attribute", migrate.Warn, "An attribute is not as the plan wants it.", "Stage it again, or keep the target's value.", fromOwn},
	{"verify.content-untold", migrate.Note, "The content was not compared.", "Give --content.", fromOwn},
	{"verify.database", migrate.Warn, "The mailbox is on another database than the one asked for.", "Check that it was moved there on purpose.", fromOwn},
	{"verify.gone", migrate.Forbid, "An object that the move knows is gone.", "Restore it from the recycle bin.", fromOwn},
	{"verify.no-target", migrate.Forbid, "Nothing stands for the source at the target.", "Stage the move.", fromOwn},
	{"verify.not-staged", migrate.Note, "The person has not been staged yet: there is nothing to compare.", "", fromOwn},
	{"verify.primary", migrate.Forbid, "The target has not exactly one primary address.", "Mark exactly one.", fromProxies},
	{"verify.source-forwards", migrate.Forbid, "The source does not send its mail to the target.", "Set its targetAddress.", fromSwitch},
	{"verify.source-lost", migrate.Forbid, "The source lost its mailbox before the switch.", "Connect it again.", fromSwitch},
	{"verify.source-mailbox", migrate.Forbid, "The source is still connected to its mailbox.", "Disconnect it.", fromSwitch},
	{"verify.source-type", migrate.Warn, "The source does not have the recipient type of a mail user.", "Set it.", fromMRS},
	{"verify.target-forwards", migrate.Forbid, "The target mailbox still sends its mail away.", "Clear its targetAddress.", fromSwitch},
	{"verify.target-mailbox", migrate.Forbid, "The target has no mailbox.", "Open it.", fromSwitch},
	{"verify.target-not-forwarding", migrate.Forbid, "The staged target does not send its mail to the source.", "Stage the move again.", fromSwitch},
	{"verify.target-type", migrate.Warn, "The target does not have the recipient type of its mailbox.", "Set it.", fromMRS},
}

// permissionRules are about rights.
var permissionRules = []Rule{
	{"permission.brought", migrate.Note, "Twins were given rights on folders, and entries of the source were taken off the lists.", "", fromACL},
	{"permission.conflict", migrate.Warn, "Who is denied rights on a folder of the source has them on the target's by itself; they stay.", "Decide which of the two counts.", fromOwn},
	{"permission.extra", migrate.Warn, "Somebody may use a folder whom nobody of the source's list stands for, and who could not before.", "Ask the owner, or take the rights away.", fromOwn},
	{"permission.legacy", migrate.Warn, "A name of the source is still on a folder's list at the target.", "Clean the move.", fromOwn},
	{"permission.missing", migrate.Warn, "Who could use a folder at the source lacks rights on it at the target.", "Clean the move, or set the rights by hand.", fromOwn},
	{"permission.refused", migrate.Warn, "The target's mail server refused a change of a folder's list.", "Give the migration account the right a (administer), or set the rights by hand.", fromACL},
	{"permission.unmapped", migrate.Warn, "A name on a folder's list stands for nobody, or for several; it is left as it is.", "Set the rights by hand, if they are needed.", fromOwn},
	{"permission.unreadable", migrate.Warn, "A folder's list cannot be read; nothing is changed on it.", "Give the migration account the right a (administer).", fromACL},
	{"permission.unsupported", migrate.Warn, "The target's mail server keeps no access control lists, or does not know a right.", "Turn them on, and clean the move.", fromACL},
	{"permissions.admin-count", migrate.Warn, "The target is protected, and the directory writes its permissions over.", "Clear adminCount and clean again, or set them on AdminSDHolder.", fromADTS + " 3.1.1.6.1"},
	{"permissions.ambiguous", migrate.Forbid, "Several objects may be the one that has rights.", "Leave the shared address on one of them.", fromOwn},
	{"permissions.domain-unknown", migrate.Warn, "The SID of a source domain is not known, so its permissions are not taken for legacy ones.", "List the SID.", fromADTS + " 6.1.6.7"},
	{"permissions.doubtful", migrate.Warn, "Who has rights shares an address with an object that is not known to be the same.", "Remove the shared address, and set the right by hand.", fromOwn},
	{"permissions.full", migrate.Forbid, "A list of permissions has no room for those of the twins.", "Take away what is not needed, or give the rights to a group.", "MS-DTYP 2.4.5"},
	{"permissions.inherited", migrate.Warn, "Permissions of an old domain are inherited from above; they stay.", "Remove them where they are explicit.", fromOwn},
	{"permissions.kept", migrate.Note, "Explicit permissions of old domains stay, as configured.", "", fromConfig},
	{"permissions.linked", migrate.Warn, "Who has rights still logs on with the source account to a linked mailbox; the rights are kept.", "Clean again once the mailbox is its owner's.", fromMRS},
	{"permissions.mailbox-unreadable", migrate.Warn, "The rights on the source mailbox cannot be read.", "Give them on the new mailbox by hand.", "Exchange, msExchMailboxSecurityDescriptor"},
	{"permissions.no-target", migrate.Forbid, "There is no target user whose permissions could be cleaned.", "Stage the move first.", fromOwn},
	{"permissions.order", migrate.Warn, "Permissions are not in canonical order.", "Look who is denied something, and set it right.", "MS-DTYP 2.4.5"},
	{"permissions.stripped", migrate.Note, "Permissions are taken away and nobody is given them, as configured.", "", fromConfig},
	{"permissions.twin-missing", migrate.Forbid, "The twin does not have the rights yet that are about to be taken from the old account.", "Add the rights of the twins first.", fromOwn},
	{"permissions.unmapped", migrate.Warn, "Who has rights has no object at the target; the rights are taken away.", "Give them to somebody else, if they are needed.", fromOwn},
	{"permissions.unseen", migrate.Warn, "Who has rights belongs to a domain that the server does not answer for.", "Name a global catalog.", fromADTS + " 3.1.1.1.8"},
	{"permissions.waiting", migrate.Warn, "Who has rights has no twin yet; the rights are kept until then.", "Move that person, then clean.", fromOwn},
	{"rules.permissions", migrate.Forbid, "It is not known how permissions are to be treated.", "Configure translate, strip or keep.", fromConfig},
	{"verify.permissions-missing", migrate.Warn, "Twins do not have all the permissions of those they stand for.", "Clean the move.", fromOwn},
	{"verify.legacy-permissions", migrate.Warn, "Explicit permissions of the old domain are still there.", "Clean the move.", fromOwn},
}

// contentRules are about what is in a mailbox.
var contentRules = []Rule{
	{"content.fewer", migrate.Warn, "The target holds fewer items than were written.", "Ask whether the owner deleted or moved mail since.", fromOwn},
	{"content.folder", migrate.Forbid, "A folder has no counterpart at the target.", "Run the batch again.", fromOwn},
	{"content.deleted-since", migrate.Note, "Items that the owner deleted in the new mailbox were not deleted in the old one.", "", "the way back"},
	{"content.flags-since", migrate.Note, "Flags changed in the new mailbox were not set in the old one.", "", "the way back"},
	{"content.moved-since", migrate.Note, "Items filed elsewhere in the new mailbox lie where they were in the old one.", "", "the way back"},
	{"content.gone", migrate.Warn, "So much is gone from the old mailbox at once that it was not deleted in the new one.", "Ask the owner whether it was meant.", fromOwn},
	{"content.keywords", migrate.Note, "Items lost flags or keywords that the target does not take.", "", fromOwn},
	{"content.left", migrate.Warn, "Items that are gone from the old mailbox are in the new one still, since it has skipped items.", "Look at the skipped items, and ask the owner.", fromOwn},
	{"content.metadata", migrate.Note, "Metadata of folders, such as comments, was not taken by the target.", "", "RFC 5464"},
	{"content.quota", migrate.Note, "The old mailbox has a quota; the new one may have another.", "", "RFC 9208"},
	{"content.room", migrate.Warn, "The new mailbox has no room for all that the old one holds.", "Raise its quota.", "RFC 9208"},
	{"content.savedate", migrate.Note, "When messages came into their folders is not carried over: no command sets it.", "", "RFC 8514"},
	{"content.missing", migrate.Forbid, "Items of the source are neither moved nor skipped.", "Run the batch again.", fromOwn},
	{"content.unlisted", migrate.Warn, "The source counts more items than it lists.", "Verify again, or have the folder's index rebuilt at the source.", fromOwn},
	{"content.open", migrate.Forbid, "A chunk was sent and never confirmed.", "Run the batch again.", fromOwn},
}

// linkRules are about links between objects, and about taking staging back.
var linkRules = []Rule{
	{"link.ambiguous", migrate.Warn, "Several target objects may be the end of a link.", "Decide which of them it is.", fromOwn},
	{"link.later", migrate.Note, "A link that redirects mail waits until the target delivers its own.", "", fromSwitch},
	{"link.no-twin", migrate.Note, "A link leads to an object that is never staged.", "", fromMRS},
	{"link.not-adopted", migrate.Warn, "The end of a link is an object that we may not change yet.", "Adopt it, or set the link by hand.", fromOwn},
	{"link.unseen", migrate.Warn, "The source's server does not show the end of a link.", "Name a global catalog.", fromADTS + " 3.1.1.1.6"},
	{"link.waiting", migrate.Note, "The end of a link has no twin yet; the link is set when it has.", "", fromMRS},
	{"redirect.no-twin", migrate.Warn, "Whom the source's mail is redirected to has no twin, so the target does not redirect it.", "Set altRecipient once the twin is there.", "Exchange, altRecipient"},
	{"undo.gone", migrate.Warn, "What was staged is not found any more.", "See whether it was deleted, or renamed.", fromOwn},
	{"undo.mailbox", migrate.Forbid, "What was staged has a mailbox by now.", "Roll the move back before, or leave it staged.", fromOwn},
	{"stage.unplanned", migrate.Forbid, "It cannot be planned what is to be made for this one.", "Do as the finding says; the others are staged.", fromOwn},
	{"undo.changed", migrate.Forbid, "What was staged has been changed by others since, and cannot be taken back whole.", "Take it back by hand, or leave it.", fromOwn},
	{"undo.opened", migrate.Forbid, "The mailbox is at the target already; nothing is taken back.", "Leave it out of what is taken back.", fromOwn},
}
