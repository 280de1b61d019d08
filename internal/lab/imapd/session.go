package imapd

import (
	"crypto/subtle"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-sasl"
)

// A session is one connection.
type session struct {
	server *Server
	conn   *imapserver.Conn
	user   string
	box    *box
	folder *folder    // the selected one
	others bool       // it is somebody else's, and only read
	view   []*message // what the client believes it holds, by sequence number
}

var (
	_ imapserver.SessionNamespace = (*session)(nil)
	_ imapserver.SessionMove      = (*session)(nil)
	_ imapserver.SessionSASL      = (*session)(nil)
)

func (s *Server) newSession(conn *imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
	return &session{server: s, conn: conn}, &imapserver.GreetingData{}, nil
}

// Close ends the session.
func (s *session) Close() error { return nil }

// drop breaks the connection.
func (s *session) drop() error {
	_ = s.conn.NetConn().Close()
	return errDropped
}

// Login takes a user's own password, and user*admin with the administrator's.
func (s *session) Login(username, password string) error {
	user, admin, master := strings.Cut(username, "*")
	if master {
		return s.enter(user, s.server.config.Admins, admin, password)
	}
	return s.enter(user, nil, user, password)
}

// AuthenticateMechanisms names PLAIN, which can carry an authorization identity.
func (s *session) AuthenticateMechanisms() []string { return []string{sasl.Plain} }

// Authenticate is AUTHENTICATE PLAIN (RFC 4616).
func (s *session) Authenticate(mech string) (sasl.Server, error) {
	if mech != sasl.Plain {
		return nil, refusal(imap.ResponseCodeCannot, "Unsupported authentication mechanism")
	}
	return sasl.NewPlainServer(func(identity, username, password string) error {
		if identity == "" || identity == username {
			return s.enter(username, nil, username, password)
		}
		return s.enter(identity, s.server.config.Admins, username, password)
	}), nil
}

// enter opens user's mailbox for who, whose password is looked up in admins, or
// among the users where admins is nil.
func (s *session) enter(user string, admins map[string]string, who, password string) error {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if f := s.server.strike(user, Login, nil); f != nil {
		if f.Drop != NoDrop {
			return s.drop()
		}
		return f.refusal()
	}
	passwords := admins
	if passwords == nil {
		passwords = s.server.config.Users
	}
	want, known := passwords[who]
	if !known || subtle.ConstantTimeCompare([]byte(want), []byte(password)) != 1 {
		return imapserver.ErrAuthFailed
	}
	b := s.server.boxes[user]
	if b == nil {
		return refusal(imap.ResponseCodeAuthorizationFailed, "No such mailbox")
	}
	s.user, s.box = user, b
	knows(s.conn.NetConn(), user)
	return nil
}

// Namespace is one personal namespace without a prefix, and ~user/ for others' folders,
// which are opened by name and not listed (RFC 2342).
func (s *session) Namespace() (*imap.NamespaceData, error) {
	delim := s.server.config.Delimiter
	return &imap.NamespaceData{
		Personal: []imap.NamespaceDescriptor{{Delim: delim}},
		Other:    []imap.NamespaceDescriptor{{Prefix: "~", Delim: delim}},
	}, nil
}

// mustFind returns a folder that holds messages.
func (s *session) mustFind(name string, missing imap.ResponseCode) (*folder, error) {
	f := s.box.find(name)
	if f == nil || f.container {
		return nil, refusal(missing, "Mailbox doesn't exist: "+name)
	}
	return f, nil
}

// Select opens a folder.
func (s *session) Select(name string, _ *imap.SelectOptions) (*imap.SelectData, error) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	f, err := s.mustFind(name, imap.ResponseCodeNonExistent)
	if theirs := s.foreign(name); theirs != nil {
		f, err = theirs, nil
	}
	if err != nil {
		return nil, err
	}
	s.others = !slices.Contains(s.box.folders, f)
	s.folder, s.view = f, append([]*message(nil), f.messages...)
	flags := []imap.Flag{imap.FlagAnswered, imap.FlagFlagged, imap.FlagDeleted, imap.FlagSeen, imap.FlagDraft}
	return &imap.SelectData{
		Flags: flags, PermanentFlags: append(flags[:len(flags):len(flags)], imap.FlagWildcard),
		NumMessages: uint32(len(s.view)), UIDNext: f.uidNext, UIDValidity: f.validity,
	}, nil
}

// Unselect leaves the folder.
func (s *session) Unselect() error {
	s.folder, s.view = nil, nil
	return nil
}
