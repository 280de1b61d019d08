# The two Dovecot servers of the lab. Needs lib.sh and LAB.
# shellcheck shell=bash

readonly IMAPS_PORT=1993 # a Dovecot of the host's own may hold 993 on every address
readonly LMTP_PORT=1024
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
		-e "s|@LMTP_PORT@|$LMTP_PORT|g" \
		-e "s|@USER@|$MAIL_USER|g" -e "s|@UID@|$(id -u "$MAIL_USER")|g" -e "s|@PASSWORD@|$MAIL_PASSWORD|g" \
		"$here/dovecot.conf.in" >"$d/dovecot.conf"
}

# start_mail SIDE
start_mail() {
	local d=$LAB/imap-$1
	write_dovecot_conf "$1"
	[ -d "$d/mail" ] || empty_mail "$1"
	# After SIGKILL it names a dead process, whose number may be another's by now, or a
	# zombie's; Dovecot would take either for itself and refuse to start.
	rm -f "$d/run/master.pid"
	setsid /usr/sbin/dovecot -F -c "$d/dovecot.conf" </dev/null >"$LAB/log/dovecot-$1.out" 2>&1 &
	remember "imap-$1" $! dovecot
}

# kill_mail SIDE: end a mail server as SIGKILL ends it, all its processes at once: the
# master leads a process group (setsid), and its children are in it.
kill_mail() {
	local pid
	pid=$(running "imap-$1") || return 0
	kill -9 -- "-$pid" "$pid" 2>/dev/null || true
	for _ in $(seq 200); do
		group_is_gone "$pid" && rm -f "$LAB/pids/imap-$1" && return
		sleep 0.05
	done
	die "the mail server $1 outlives SIGKILL"
}

# group_is_gone PID: no process is left of the group. What is dead and only not yet
# waited for does not count.
group_is_gone() {
	local group=$1 file stat
	for file in /proc/[0-9]*/stat; do
		stat=$(cat "$file" 2>/dev/null) || continue
		# The second field is the program's name and may hold blanks and parentheses.
		# shellcheck disable=SC2086
		set -- ${stat##*) } # state, parent, group
		[ "$3" != "$group" ] || [ "$1" = Z ] || return 1
	done
}

# wait_mail SIDE: until it takes mail and shows it.
wait_mail() {
	wait_port "$(mail_ip "$1")" "$IMAPS_PORT"
	wait_port "$(mail_ip "$1")" "$LMTP_PORT"
}
