package transport

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// An envelope is the first line of a file in Pickup and in the queue; the message
// follows it.
type envelope struct {
	From     string    `json:"from"` // "" is the empty reverse path
	To       []string  `json:"to"`
	Origin   string    `json:"origin"`             // source, target or outside
	Transfer string    `json:"transfer,omitempty"` // the other site's id of this message
	Accepted time.Time `json:"accepted"`
}

const (
	pickupSuffix = ".eml"
	stateSuffix  = ".state"
)

// Inject puts a message into the Pickup directory of the transport whose spool dir is,
// whether that runs now or not: it is taken up exactly once. origin is the label
// source, target or outside. An error means that it was not put there.
func Inject(dir, origin, from string, to []string, message []byte) error {
	e := envelope{From: from, To: to, Origin: origin, Accepted: time.Now().UTC()}
	if err := e.check(); err != nil {
		return fmt.Errorf("inject message: %w", err)
	}
	if err := writeWhole(filepath.Join(dir, "pickup"), newID()+pickupSuffix, e, message); err != nil {
		return fmt.Errorf("inject message: %w", err)
	}
	return nil
}

// newID returns a name that nobody has had; names sort by time.
func newID() string { return fmt.Sprintf("%016x-%s", time.Now().UnixNano(), rand.Text()[:8]) }

func (e envelope) check() error {
	if len(e.To) == 0 {
		return errors.New("nobody is to receive it")
	}
	for _, address := range append([]string{e.From, e.Origin}, e.To...) {
		if strings.ContainsAny(address, "\r\n<> \x00") {
			return fmt.Errorf("%q is no address", address)
		}
	}
	return nil
}

// writeWhole makes a file appear with all that is in it. A name with a leading dot is
// one that is being written.
func writeWhole(dir, name string, e envelope, message []byte) error {
	head, err := json.Marshal(e)
	if err != nil {
		return err
	}
	part := filepath.Join(dir, "."+name)
	if err := os.WriteFile(part, append(append(head, '\n'), message...), 0o600); err != nil {
		_ = os.Remove(part)
		return err
	}
	if err := os.Rename(part, filepath.Join(dir, name)); err != nil {
		_ = os.Remove(part)
		return err
	}
	return nil
}

// readWhole is the reverse of writeWhole.
func readWhole(path string) (envelope, []byte, error) {
	var e envelope
	file, err := os.ReadFile(path)
	if err != nil {
		return e, nil, err
	}
	head, message, found := bytes.Cut(file, []byte("\n"))
	if !found {
		return e, nil, errMalformed
	}
	if err := json.Unmarshal(head, &e); err != nil {
		return e, nil, fmt.Errorf("%w: %w", errMalformed, err)
	}
	if err := e.check(); err != nil {
		return e, nil, fmt.Errorf("%w: %w", errMalformed, err)
	}
	return e, message, nil
}

// errMalformed is returned for a file that is no message.
var errMalformed = errors.New("not a message with its envelope")
