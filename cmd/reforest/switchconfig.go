package main

import (
	"fmt"
	"strings"
	"time"

	"reforest/batch"
	"reforest/directory"
	"reforest/migrate/smtp"
)

// A switchConfig says what has to be true before a mailbox changes sides, and how it does.
type switchConfig struct {
	Drain     duration `yaml:"drain"`
	Canary    int      `yaml:"canary"`
	StopAfter int      `yaml:"stop_after"`
	Delta     int64    `yaml:"delta"`
	RoomMB    int64    `yaml:"room_mb"`
	Holds     string   `yaml:"holds"`
	ShutOut   []string `yaml:"shut_out"`
	Retention duration `yaml:"retention"`
}

// What becomes of mailboxes on hold.
const (
	holdsStop = "stop"
	holdsMove = "move"
)

const megabyte = 1 << 20

func defaultSwitch() switchConfig {
	return switchConfig{
		Drain: duration(batch.DefaultDrain), Delta: batch.DefaultDelta, RoomMB: batch.DefaultRoom / megabyte,
		Holds: holdsStop, ShutOut: []string{}, Retention: duration(batch.DefaultRetention),
	}
}

// imap4 is the protocol by which the mover opens mailboxes.
const imap4 = "imap4"

func (s switchConfig) check(mover string, f *faults) {
	for key, n := range map[string]int64{
		"switch.drain": int64(s.Drain), "switch.delta": s.Delta, "switch.retention": int64(s.Retention),
	} {
		if n <= 0 {
			f.add(key, "%s must be more than nothing", key)
		}
	}
	for key, n := range map[string]int64{
		"switch.canary": int64(s.Canary), "switch.stop_after": int64(s.StopAfter), "switch.room_mb": s.RoomMB,
	} {
		if n < 0 {
			f.add(key, "want a number, or 0 for none")
		}
	}
	if !oneOf(s.Holds, holdsStop, holdsMove) {
		f.add("switch.holds", "%q: want stop or move", s.Holds)
	}
	s.checkShutOut(mover, f)
}

func (s switchConfig) checkShutOut(mover string, f *faults) {
	for i, protocol := range s.ShutOut {
		switch {
		case !oneOf(protocol, directory.Protocols()...):
			f.add("switch.shut_out", "%q: want some of %s", protocol, strings.Join(directory.Protocols(), ", "))
		case oneOf(protocol, s.ShutOut[:i]...):
			f.add("switch.shut_out", "%s is listed twice", protocol)
		case protocol == imap4 && mover != moverExchange:
			f.add("switch.shut_out", "imap4 would shut the mover out of the mailbox too, which it reads over IMAP; leave it out")
		}
	}
}

// room returns how many bytes the target mailbox must have room for, as batch.Config has it.
func (s switchConfig) room() int64 {
	if s.RoomMB == 0 {
		return -1
	}
	return s.RoomMB * megabyte
}

// checkSMTP looks at how the side's mail server is asked.
func (m mailConfig) checkSMTP(key string, f *faults) {
	if m.SMTP != "" && !strings.Contains(m.SMTP, ":") {
		f.add(key+".smtp", "%q: want server:port, such as %s:25", m.SMTP, m.SMTP)
	}
	var modes []string
	for _, mode := range smtp.Modes() {
		modes = append(modes, string(mode))
	}
	if !oneOf(m.SMTPTLS, append(modes, "")...) {
		f.add(key+".smtp_tls", "%q: want %s", m.SMTPTLS, strings.Join(modes, ", "))
	}
}

// switchWords says what the configuration means for a switch, one fact a line.
func (c *config) switchWords() []string {
	s := c.Switch
	words := []string{
		fmt.Sprintf("Late mail is looked for until two looks, %s apart, find nothing.", s.Drain),
		canaryWords(s.Canary), stopWords(s.StopAfter), routeWords(c),
	}
	if s.Holds == holdsMove {
		words = append(words, "Mailboxes on hold are switched; what only the hold keeps stays in the disconnected mailbox.")
	} else {
		words = append(words, "Mailboxes on hold are not switched.")
	}
	if len(s.ShutOut) > 0 {
		words = append(words, fmt.Sprintf("Owners are shut out of %s at the source while they are switched.", strings.Join(s.ShutOut, ", ")))
	}
	return append(words, fmt.Sprintf("It can be rolled back for as long as the source keeps a disconnected mailbox: %s where its database does not say.", days(s.Retention)))
}

func canaryWords(n int) string {
	switch n {
	case 0:
		return "Nobody goes first: all who are ready are switched side by side."
	case 1:
		return "The first of a batch is switched first, the others once it is moved."
	}
	return fmt.Sprintf("The first %d of a batch are switched first, the others once all of these are moved.", n)
}

func stopWords(n int) string {
	if n == 0 {
		return "Switches go on however many mailboxes fail."
	}
	if n == 1 {
		return "No further switch begins once a mailbox of the batch has failed."
	}
	return fmt.Sprintf("No further switch begins once %d of a batch have failed.", n)
}

func routeWords(c *config) string {
	var asked []string
	for _, r := range newRoutes(c) {
		asked = append(asked, r.Address)
	}
	if len(asked) == 0 {
		return "No mail server is asked whether it takes the forwarded mail (source.mail.smtp, target.mail.smtp)."
	}
	return fmt.Sprintf("%s must say before each switch that it takes the forwarded mail.", strings.Join(asked, " and "))
}

// days prints a duration in whole days where it is some.
func days(d duration) string {
	const day = 24 * time.Hour
	if t := time.Duration(d); t >= day && t%day == 0 {
		return fmt.Sprintf("%d days", t/day)
	}
	return d.String()
}
