package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"reforest/directory"
	"reforest/internal/lab"
	"reforest/internal/lab/ldapd"
)

// crowd is a program of the tests: crowd DIR COUNT runs the rehearsal's two forests with
// COUNT more mailboxes at the source, writes a configuration that stages those into DIR,
// and says ready. Then it reads names of files with plans, as "stage --dry-run --json"
// prints them, and carries each out in no time, until there are no more.
func crowd() {
	if err := crowded(context.Background(), os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func crowded(ctx context.Context, dir, count string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	world, err := lab.Start(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = world.Close() }()
	if err := seedCrowd(world.Source.Directory, n); err != nil {
		return err
	}
	if err := writeCrowd(dir, world); err != nil {
		return err
	}
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if err := carryOutFile(world, lines.Text()); err != nil {
			return err
		}
		fmt.Println("done")
	}
	return nil
}

func writeCrowd(dir string, world *lab.World) error {
	path, err := writeDemo(dir, world)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	with := strings.Replace(string(text), "under: []", fmt.Sprintf("under: [%q]", crowdOU(world.Source.Directory)), 1)
	if with == string(text) {
		return errors.New("the configuration has no stage.under to be replaced")
	}
	return os.WriteFile(filepath.Join(dir, "reforest.yaml"), []byte(with), 0o600)
}

func crowdOU(d *ldapd.Server) directory.DN { return d.BaseDN().Child("OU", "Crowd") }

// seedCrowd adds mailboxes with ten addresses each, a manager and two delegates.
func seedCrowd(d *ldapd.Server, n int) error {
	ou := crowdOU(d)
	if _, err := d.Seed(ou, ldapd.Attrs{"objectClass": {"organizationalUnit"}}); err != nil {
		return err
	}
	database, err := d.Lookup("cn", lab.SourceDatabase)
	if err != nil {
		return err
	}
	for i := range n {
		if _, err := d.Seed(crowdDN(ou, i), crowdAttrs(i, string(database.DN))); err != nil {
			return err
		}
	}
	for i := range n {
		if err := d.SeedChange(crowdDN(ou, i), crowdLinks(ou, i, n)...); err != nil {
			return err
		}
	}
	return nil
}

func crowdDN(ou directory.DN, i int) directory.DN {
	return ou.Child("CN", fmt.Sprintf("Member %05d", i))
}

func crowdAttrs(i int, database string) ldapd.Attrs {
	name := fmt.Sprintf("member%05d", i)
	mail := fmt.Sprintf("Member.%05d@%s", i, lab.SourceDomain)
	proxies := []string{
		"SMTP:" + mail, "smtp:" + name + "@" + lab.SourceDomain, "sip:" + mail, "X400:c=US;a= ;p=Alpine;o=Exchange;s=" + name + ";",
		"X500:/o=Alpine Old/ou=First Administrative Group/cn=Recipients/cn=" + name, "X500:/o=Bought Company/ou=Berlin/cn=Recipients/cn=" + name,
	}
	for k := range 4 {
		proxies = append(proxies, fmt.Sprintf("smtp:%s@brand%d.%s", name, k, lab.SourceDomain))
	}
	return ldapd.Attrs{
		"objectClass": {"user"}, "sAMAccountName": {name}, "userPrincipalName": {name + "@" + lab.SourceDomain}, "userAccountControl": {"544"},
		"displayName": {"Member " + name}, "mail": {mail}, "mailNickname": {name}, "proxyAddresses": proxies,
		"legacyExchangeDN":  {"/o=Alpine/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn=" + name},
		"msExchMailboxGuid": {fmt.Sprintf("mailbox-of-%05d", i)}, "homeMDB": {database},
		"msExchHomeServerName":       {"/o=Alpine/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Configuration/cn=Servers/cn=ALPINE-EX1"},
		"msExchRecipientTypeDetails": {"1"}, "msExchRecipientDisplayType": {"1073741824"},
		"title": {"Engineer"}, "telephoneNumber": {fmt.Sprintf("+43 1 %d", 100000+i)}, "mobile": {fmt.Sprintf("+43 664 %d", 100000+i)},
		"department": {fmt.Sprintf("Department %d", i%300)}, "company": {"Alpine AG"}, "l": {"Wien"}, "c": {"AT"}, "givenName": {"Member"}, "sn": {name},
		"streetAddress": {"Graben 1"}, "postalCode": {"1010"}, "physicalDeliveryOfficeName": {"W 1.02"},
	}
}

func crowdLinks(ou directory.DN, i, n int) []directory.Mod {
	add := func(attr string, ends ...int) directory.Mod {
		mod := directory.Mod{Op: directory.AddValues, Attr: attr}
		for _, end := range ends {
			mod.Values = append(mod.Values, []byte(crowdDN(ou, end%n)))
		}
		return mod
	}
	return []directory.Mod{add("manager", i/12), add("publicDelegates", i+1, i+7)}
}

// carryOutFile carries out the plans in the file.
func carryOutFile(world *lab.World, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	for plans := json.NewDecoder(file); ; {
		var line struct{ Changes []directory.Change }
		switch err := plans.Decode(&line); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		for _, change := range line.Changes {
			if err := carryOutChange(world, change); err != nil {
				return fmt.Errorf("%s %q: %w", change.Op, change.DN, err)
			}
		}
	}
}

func carryOutChange(world *lab.World, change directory.Change) error {
	server := world.Source.Directory
	if change.Forest == directory.Target {
		server = world.Target.Directory
	}
	if change.Op == directory.Modify {
		return server.SeedChange(change.DN, change.Mods...)
	}
	attrs := ldapd.Attrs{}
	for _, mod := range change.Mods {
		for _, v := range mod.Values {
			attrs[mod.Attr] = append(attrs[mod.Attr], string(v))
		}
	}
	_, err := server.Seed(change.DN, attrs)
	return err
}
