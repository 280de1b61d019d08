# Shared by up, down and reset: where the lab is, and how its servers are known again.
# shellcheck shell=bash

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# One lab at a time: it uses fixed addresses (127.0.0.11, .12, .21, .22).
readonly LOCK=${TMPDIR:-/tmp}/reforest-lab.lock
readonly HOLDER=reforest-lab-holder # argv[0] of the process that holds the lock
readonly MAIL_USER=mail             # owns the mailboxes; Dovecot refuses root

die() {
	echo "lab: $*" >&2
	exit 1
}

# reachable DIR: may the mail user enter the nearest existing directory at or above DIR?
reachable() {
	local dir=$1
	while [ ! -d "$dir" ]; do dir=$(dirname "$dir"); done
	setpriv --reuid="$MAIL_USER" --regid="$MAIL_USER" --clear-groups test -x "$dir"
}

# choose_lab sets LAB: $REFOREST_LAB, else .lab beside go.mod, else, where the mail
# user cannot enter that (a clone under /root), a directory under /var/tmp.
choose_lab() {
	LAB=${REFOREST_LAB:-$(dirname "$(dirname "$here")")/.lab}
	if [ -z "${REFOREST_LAB:-}" ] && ! reachable "$LAB"; then
		LAB=/var/tmp/reforest-lab
	fi
	[ "${#LAB}" -le 70 ] || die "$LAB is too long for the path of a socket; set REFOREST_LAB"
}

# started_at PID: when the process began, in ticks since boot; with the PID it
# names a process once and for all (proc(5), stat field 22).
started_at() {
	local stat
	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
	# The second field is the program's name and may hold blanks and parentheses.
	# shellcheck disable=SC2086
	set -- ${stat##*) }
	echo "${20}"
}

# remember NAME PID WORD: note a process we started, and a word its command line has.
remember() {
	echo "$2 $(started_at "$2") $3" >"$LAB/pids/$1"
}

# running NAME: print the PID if the process noted under NAME is still the same one.
running() {
	local pid began word
	read -r pid began word 2>/dev/null <"$LAB/pids/$1" || return 1
	[ "$(started_at "$pid")" = "$began" ] || return 1
	tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF -- "$word" || return 1
	echo "$pid"
}

# stop NAME: end the process noted under NAME, if it is still ours. Each server leads
# its own process group (setsid), so its children go with it.
stop() {
	local pid
	if pid=$(running "$1"); then
		kill "$pid" 2>/dev/null || true
		for _ in $(seq 100); do
			running "$1" >/dev/null || break
			sleep 0.05
		done
		kill -9 -- "-$pid" 2>/dev/null || true
	fi
	rm -f "$LAB/pids/$1"
}

# wait_port ADDRESS PORT: until someone listens there, 30 s at most.
wait_port() {
	for _ in $(seq 600); do
		(exec 3<>"/dev/tcp/$1/$2") 2>/dev/null && return 0
		sleep 0.05
	done
	die "nothing listens on $1:$2; look into $LAB/log"
}
