# Shared by the benchmarks: run one, take figures out of what it prints.
# shellcheck shell=bash

die() {
	echo "bench: $*" >&2
	exit 1
}

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
command -v go >/dev/null || die "no go: https://go.dev/dl/, the version in go.mod"
output=$(mktemp)
trap 'rm -f "$output"' EXIT

# bench NAME TIMES PACKAGE: run the Go benchmark of that name; TIMES is what -benchtime
# takes. What it prints is shown and kept in $output.
bench() {
	go test -run '^$' -bench "^Benchmark$1\$" -benchtime "$2" -timeout 10m "$3" | tee "$output" ||
		die "$1 in $3 fails"
}

# metric UNIT: the figure with that unit in what the last bench printed.
metric() {
	awk -v unit="$1" '/^Benchmark/ { for (i = 2; i <= NF; i++) if ($i == unit) { print $(i - 1); found = 1; exit } }
		END { exit !found }' "$output" || die "no figure in $1: was the benchmark skipped?"
}
