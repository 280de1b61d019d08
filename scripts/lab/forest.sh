# The two Samba forests of the lab. Needs lib.sh and LAB.
# shellcheck shell=bash

readonly FOREST_PASSWORD='Lab-Passw0rd!'

# forest NAME: set realm, netbios, ip, base, host, org and databases of alpine or fabrikam.
forest() {
	name=$1
	case $name in
	alpine) ip=127.0.0.11 org=Alpine databases="MBX-A1 MBX-A2" ;;
	fabrikam) ip=127.0.0.12 org=Fabrikam databases="MBX-F1 MBX-F2" ;;
	*) die "no forest $name" ;;
	esac
	domain=$name.test realm=${name^^}.TEST netbios=${name^^} base=DC=$name,DC=test host=$name-dc.$name.test
}

# golden prints the path of the archive of two fresh forests. Its name changes with
# everything that goes into it.
golden() {
	local key
	key=$({ samba --version && cat "$here"/forest.sh "$here"/schema/*; } | sha256sum)
	echo "$LAB/golden-${key:0:16}.tar"
}

# make_golden provisions both forests (about 15 s) and archives them.
make_golden() {
	local archive name
	archive=$(golden)
	[ ! -f "$archive" ] || return 0
	rm -rf "$LAB"/golden-*.tar "$LAB/making" && mkdir -p "$LAB/making"
	for name in alpine fabrikam; do
		provision "$name" "$LAB/making" >"$LAB/log/provision-$name.log" 2>&1 ||
			die "provision $name: look into $LAB/log/provision-$name.log"
	done
	tar cf "$archive.part" -C "$LAB/making" . && mv "$archive.part" "$archive"
	rm -rf "$LAB/making"
}

# provision NAME ROOT: make the forest in ROOT/NAME, with Exchange's schema and databases.
# It is called where set -e does not hold, hence the &&.
provision() {
	local name ip org databases domain realm netbios base host d
	forest "$1"
	d=$2/$name
	mkdir -p "$d" && samba_provision && write_smb_conf "$name" "$2" &&
		/usr/bin/python3 "$here/schema/ldif.py" "CN=Schema,CN=Configuration,$base" "$d/schema" &&
		modify "$d" "$d/schema/1-attributes.ldif" &&
		modify "$d" "$d/schema/2-classes.ldif" &&
		modify "$d" "$d/schema/3-uses.ldif" &&
		service_names >"$d/spn.ldif" && modify "$d" "$d/spn.ldif" &&
		organisation >"$d/organisation.ldif" && modify "$d" "$d/organisation.ldif"
}

# samba_provision: 2012_R2 is the newest base schema of Samba 4.17. The address needs a
# prefix shorter than 32, or Samba finds no interface.
samba_provision() {
	samba-tool domain provision -q --targetdir="$d" --realm="$realm" --domain="$netbios" \
		--host-name="$name-dc" --host-ip="$ip" --server-role=dc --dns-backend=NONE \
		--adminpass="$FOREST_PASSWORD" --base-schema=2012_R2 --function-level=2008_R2 \
		--option="interfaces = $ip/8" --option="bind interfaces only = yes" \
		--option="log file = $d/log.samba" --option="xattr_tdb:file = $d/state/xattr.tdb"
}

# modify DIR FILE: apply LDIF to the database of a forest that is not running.
modify() {
	ldbmodify --configfile="$1/etc/smb.conf" -H "$1/private/sam.ldb" \
		--option="dsdb:schema update allowed=true" "$2"
}

# service_names: the names for Kerberos that samba's dnsupdate task, not run here, adds.
service_names() {
	printf 'dn: CN=%s,OU=Domain Controllers,%s\nchangetype: modify\nadd: servicePrincipalName\n' "${name^^}-DC" "$base"
	printf 'servicePrincipalName: ldap/%s\n' "$host" "$host/$domain" "$name-dc"
}

# organisation: the Exchange organisation with its mailbox databases, its accepted domain
# and its address books.
organisation() {
	local group="Exchange Administrative Group (FYDIBOHF23SPDLT)" root db
	root="CN=Microsoft Exchange,CN=Services,CN=Configuration,$base"
	entry "$root" msExchConfigurationContainer
	entry "CN=$org,$root" msExchOrganizationContainer "legacyExchangeDN: /o=$org"
	accepted_domain "CN=$org,$root"
	address_books "CN=$org,$root"
	root="CN=Administrative Groups,CN=$org,$root"
	entry "$root" msExchAdminGroupContainer
	root="CN=$group,$root"
	entry "$root" msExchAdminGroup "legacyExchangeDN: /o=$org/ou=$group"
	entry "CN=Servers,$root" msExchServersContainer
	root="CN=Databases,$root"
	entry "$root" msExchMDBContainer
	for db in $databases; do
		entry "CN=$db,$root" msExchPrivateMDB "legacyExchangeDN: /o=$org/ou=$group/cn=Configuration/cn=Servers/cn=$db/cn=Microsoft Private MDB"
	done
}

# accepted_domain ORG: the forest's own domain, the default one: 4 says so, and nothing in
# the two lowest bits says authoritative.
accepted_domain() {
	local at="CN=Transport Settings,$1"
	entry "$at" msExchTransportSettings
	at="CN=Accepted Domains,$at"
	entry "$at" msExchContainer
	entry "CN=$domain,$at" msExchAcceptedDomain "msExchAcceptedDomainName: $domain" "msExchAcceptedDomainFlags: 4"
}

# address_books ORG: what showInAddressBook, msExchUseOAB and msExchAddressBookPolicyLink
# can point at.
address_books() {
	local lists="CN=Address Lists Container,$1" policies="CN=AddressBook Mailbox Policies,$1" gal oab list
	entry "$lists" msExchContainer
	for list in "All Address Lists" "All Global Address Lists"; do
		entry "CN=$list,$lists" addressBookContainer "displayName: $list"
	done
	gal="CN=Default Global Address List,CN=All Global Address Lists,$lists"
	entry "$gal" addressBookContainer "displayName: Default Global Address List"
	list="CN=All Users,CN=All Address Lists,$lists"
	entry "$list" addressBookContainer "displayName: All Users"
	entry "CN=Offline Address Lists,$lists" msExchContainer
	oab="CN=Default Offline Address Book,CN=Offline Address Lists,$lists"
	entry "$oab" msExchOAB "offLineABContainers: $gal" "msExchOABDefault: TRUE"
	entry "$policies" msExchContainer
	entry "CN=Default Address Book Policy,$policies" msExchAddressBookMailboxPolicy \
		"msExchGlobalAddressListLink: $gal" "msExchOfflineAddressBookLink: $oab" "msExchAddressListsLink: $list"
}

entry() {
	printf 'dn: %s\nchangetype: add\nobjectClass: %s\n' "$1" "$2"
	shift 2
	[ $# -eq 0 ] || printf '%s\n' "$@"
	echo
}

# write_smb_conf NAME ROOT: a domain controller with LDAP and Kerberos and nothing
# else, whose every path lies in ROOT/NAME.
write_smb_conf() {
	local name ip org databases domain realm netbios base host d
	forest "$1"
	d=$2/$name
	mkdir -p "$d/run" "$d/ncalrpc" "$d/cache" "$d/etc"
	cat >"$d/etc/smb.conf" <<-CONF
		[global]
			workgroup = $netbios
			realm = $realm
			netbios name = ${name^^}-DC
			server role = active directory domain controller
			server services = ldap, kdc
			interfaces = $ip/8
			bind interfaces only = yes
			private dir = $d/private
			state directory = $d/state
			cache directory = $d/cache
			lock directory = $d
			pid directory = $d/run
			ncalrpc dir = $d/ncalrpc
			nbt client socket address = $ip
			binddns dir = $d/bind-dns
			ntp signd socket directory = $d/run/ntp_signd
			winbindd socket directory = $d/run/winbindd
			log file = $d/log.samba
			max log size = 0
			log level = 1
			tls enabled = yes
			tls keyfile = tls/key.pem
			tls certfile = tls/cert.pem
			tls cafile = tls/ca.pem
			ldap server require strong auth = allow_sasl_over_tls
			dsdb:schema update allowed = no
			disable netbios = yes
			dns update command = /bin/true
			xattr_tdb:file = $d/state/xattr.tdb
	CONF
}

# unpack_forests: fresh forests from the archive.
unpack_forests() {
	rm -rf "$LAB/forest" "$LAB/unpacking" && mkdir -p "$LAB/unpacking"
	tar xf "$(golden)" -C "$LAB/unpacking"
	golden >"$LAB/unpacking/golden"
	mv "$LAB/unpacking" "$LAB/forest" # at once: a half unpacked forest is never started
}

# unpack_forest NAME: the one fresh forest from the archive. It must not be running.
unpack_forest() {
	rm -rf "$LAB/unpacking" && mkdir -p "$LAB/unpacking"
	tar xf "$(golden)" -C "$LAB/unpacking" "./$1"
	rm -rf "${LAB:?}/forest/$1"
	mv "$LAB/unpacking/$1" "$LAB/forest/$1"
	rm -rf "$LAB/unpacking"
}

# forests_fit: are there forests, of the schema that these scripts make?
forests_fit() {
	[ "$(cat "$LAB/forest/golden" 2>/dev/null)" = "$(golden)" ]
}

# start_forest NAME
start_forest() {
	local d=$LAB/forest/$1 tls
	tls=$d/private/tls
	write_smb_conf "$1" "$LAB/forest" # paths change with LAB
	mkdir -p "$tls"
	install -m 600 "$LAB/tls/$1.key" "$tls/key.pem"
	install -m 644 "$LAB/tls/$1.crt" "$tls/cert.pem"
	install -m 644 "$LAB/tls/ca.crt" "$tls/ca.pem"
	# No fsync per transaction: writes are ten times faster, and the lab may be lost.
	TDB_NO_FSYNC=1 setsid /usr/sbin/samba -F --no-process-group -M single -l "$d" \
		--configfile="$d/etc/smb.conf" </dev/null >"$LAB/log/samba-$1.log" 2>&1 &
	remember "$1" $! samba
}
