# Sourced by the scripts that install Debian packages.
# shellcheck shell=bash

# apt_install PACKAGE...: without letting the packages start servers of their own.
apt_install() {
	local policy=/usr/sbin/policy-rc.d ours=no status=0
	if [ ! -e "$policy" ]; then
		printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && ours=yes
	fi
	{ apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"; } || status=1
	[ "$ours" = no ] || rm -f "$policy"
	return "$status"
}
