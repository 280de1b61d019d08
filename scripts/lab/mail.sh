# The two Dovecot servers of the lab. Needs lib.sh and LAB.
# shellcheck shell=bash

readonly IMAPS_PORT=1993 # a Dovecot of the host's own may hold 993 on every address
readonly MAIL_ADMIN=admin MAIL_ADMIN_PASSWORD=Lab-Adm1n MAIL_PASSWORD=Lab-Ma1l

# mail_ip SIDE
mail_ip() {
	case $1 in
	source) echo 127.0.0.21 ;;
	target) echo 127.0.0.22 ;;
	*) die "no mail server $1" ;;
	esac
}

# mail_host SIDE: the name in its certificate.
mail_host() {
	case $1 in
	source) echo imap.alpine.test ;;
	target) echo imap.fabrikam.test ;;
	esac
}

# empty_mail SIDE: a mail server without a mailbox.
empty_mail() {
	local d=$LAB/imap-$1
	rm -rf "$d/mail"
	install -d -m 700 -o "$MAIL_USER" -g "$MAIL_USER" "$d/mail"
}

write_dovecot_conf() {
	local d=$LAB/imap-$1
	install -d -m 755 "$d" "$d/run"
	install -d -m 755 -o "$MAIL_USER" -g "$MAIL_USER" "$d/state"
	install -m 644 "$LAB/tls/imap-$1.crt" "$d/cert.pem"
	install -m 600 "$LAB/tls/imap-$1.key" "$d/key.pem"
	(umask 077 && printf '%s:{PLAIN}%s\n' "$MAIL_ADMIN" "$MAIL_ADMIN_PASSWORD" >"$d/admins")
	chgrp dovecot "$d/admins" && chmod 640 "$d/admins"
	sed -e "s|@DIR@|$d|g" -e "s|@SIDE@|$1|g" -e "s|@IP@|$(mail_ip "$1")|g" -e "s|@PORT@|$IMAPS_PORT|g" \
		-e "s|@USER@|$MAIL_USER|g" -e "s|@UID@|$(id -u "$MAIL_USER")|g" -e "s|@PASSWORD@|$MAIL_PASSWORD|g" \
		"$here/dovecot.conf.in" >"$d/dovecot.conf"
}

# start_mail SIDE
start_mail() {
	local d=$LAB/imap-$1
	write_dovecot_conf "$1"
	[ -d "$d/mail" ] || empty_mail "$1"
	setsid /usr/sbin/dovecot -F -c "$d/dovecot.conf" </dev/null >"$LAB/log/dovecot-$1.out" 2>&1 &
	remember "imap-$1" $! dovecot
}
