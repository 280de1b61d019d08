package imap

import (
	"context"

	"reforest/migrate"
)

// A session holds the connection of a Source or a Target and dials again when it
// is gone.
type session struct {
	config Config
	conn   *Conn
}

func openSession(ctx context.Context, config Config) (*session, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &session{config: config}
	_, err = s.ready(ctx)
	return s, err
}

// ready returns a connection that is logged in.
func (s *session) ready(ctx context.Context) (*Conn, error) {
	if s.conn != nil && !s.conn.broken {
		return s.conn, nil
	}
	if s.conn != nil {
		s.conn.abandon()
		s.conn = nil
	}
	conn, err := Dial(ctx, s.config)
	if err != nil {
		return nil, err
	}
	s.conn = conn
	return conn, nil
}

// Close logs out and closes the connection.
func (s *session) Close() error {
	if s.conn == nil {
		return nil
	}
	err := s.conn.Close()
	s.conn = nil
	return err
}

// Formats returns MIME, the only form IMAP knows.
func (s *session) Formats() []migrate.Format { return []migrate.Format{migrate.MIME} }
