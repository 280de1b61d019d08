package transport

import (
	"context"
	"errors"

	"reforest/internal/lab/imapd"
)

// InProcess is a Store on a rehearsal mail server in this process.
type InProcess struct {
	Server *imapd.Server
}

// Deliver puts the message into the mailbox's inbox.
func (s InProcess) Deliver(_ context.Context, mailbox string, message []byte) error {
	err := s.Server.Deliver(mailbox, message)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, imapd.ErrNoUser):
		return &RefusalError{550, "5.1.1", err.Error()}
	case errors.Is(err, imapd.ErrDropped):
		return err
	}
	return &RefusalError{452, "4.2.2", err.Error()}
}

// Holds looks into every folder.
func (s InProcess) Holds(_ context.Context, mailbox, messageID string) (bool, error) {
	held, err := s.Server.Holds(mailbox, messageID)
	if errors.Is(err, imapd.ErrNoUser) {
		return false, nil
	}
	return held, err
}
