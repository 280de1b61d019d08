package imap

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"reforest/migrate"
)

// longestAdvice bounds what a server may ask for: beyond it somebody should look.
const longestAdvice = 24 * time.Hour

// crowds are the words by which servers say that there are too many connections; there
// is no response code for it.
var crowds = []string{
	"too many connections", "too many simultaneous", "too many concurrent", "too many open connections",
	"maximum number of connections", "maximum connection limit", "connection limit exceeded", "connection limit reached",
}

// throttles are the words by which they say that they have been asked too much.
var throttles = []string{"throttled", "rate limit", "too many requests", "bandwidth limit", "[throttled]"}

// backoffForm is Exchange's "Suggested Backoff Time: 299961 milliseconds", waitForm what
// others say in a sentence: "try again in 5 minutes", "wait 30 seconds".
var (
	backoffForm = regexp.MustCompile(`(?i)\bback-?off time:? *([0-9]{1,10}) *(milliseconds|ms)\b`)
	waitForm    = regexp.MustCompile(`(?i)\b(?:try(?: again)?|retry|wait)(?: (?:again|after|in|for|at least))* +([0-9]{1,7}) *(milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|h)\b`)
)

// advice finds in a server's words how long it wants to be left alone; 0 if it does not
// say.
func advice(text string) time.Duration {
	for _, form := range []*regexp.Regexp{backoffForm, waitForm} {
		if found := form.FindStringSubmatch(text); found != nil {
			n, err := strconv.ParseInt(found[1], 10, 64)
			if err != nil {
				return 0
			}
			return min(time.Duration(n)*min(unitOf(found[2]), longestAdvice), longestAdvice)
		}
	}
	return 0
}

func unitOf(name string) time.Duration {
	switch name = strings.ToLower(name); {
	case strings.HasPrefix(name, "mil"), name == "ms":
		return time.Millisecond
	case strings.HasPrefix(name, "s"):
		return time.Second
	case strings.HasPrefix(name, "m"):
		return time.Minute
	}
	return time.Hour
}

func saysOneOf(text string, words []string) bool {
	text = strings.ToLower(text)
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// crowded reports whether there are too many connections.
func (s status) crowded() bool { return !s.ok() && saysOneOf(s.text, crowds) }

// ofOneUser reports whether the connections of one user are too many, as with Dovecot's
// mail_max_userip_connections: those of others are not concerned.
func (s status) ofOneUser() bool {
	return saysOneOf(s.text, []string{"user+ip", "for user", "per user"})
}

// busy reports whether a refusal is about the server's load alone, and how long it wants
// to be left alone; 0 if it does not say.
func (s status) busy() (after time.Duration, busy bool) {
	if s.ok() {
		return 0, false
	}
	after = advice(s.text)
	return after, after > 0 || s.code == "THROTTLED" || s.crowded() || saysOneOf(s.text, throttles)
}

// heed makes a refusal that is about the server's load a wait, as long as the server
// asks for.
func heed(e *migrate.Error, s status) *migrate.Error {
	if after, busy := s.busy(); busy {
		e.Reach, e.Retry, e.After, e.Busy = migrate.OneServer, migrate.Later, after, true
		e.Auth, e.Hint = false, "the server asks for patience; fewer connections or less speed are set under mail.limits"
	}
	return e
}
