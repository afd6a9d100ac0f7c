package client

import (
	"errors"
	"fmt"
	"strings"

	"github.com/replicad/replicad/ddp/internal/wire"
)

// Why a session ends, or never begins.
var (
	// ErrClosed is given after Close.
	ErrClosed = errors.New("client: the session was closed")
	// ErrSilent is given when the server did not answer a ping in time.
	ErrSilent = errors.New("client: the server is silent")
	// ErrVersion is given when there is no common version. To try again is useless.
	ErrVersion = errors.New("client: no common protocol version")
	// ErrURL is given for a URL that cannot be dialed. To try again is useless.
	ErrURL = errors.New("client: not the URL of a DDP server")
)

// CloseError is the close frame by which the server ended the session; its code is
// 1006 where the connection ended without one.
type CloseError = wire.CloseError

// TooBigError reports that the server sent a message beyond Options.MaxMessage.
type TooBigError = wire.TooBigError

// HandshakeError is the answer of an HTTP server that did not switch to the
// WebSocket protocol.
type HandshakeError = wire.HandshakeError

// ProxyError reports a failure on the way through a proxy.
type ProxyError = wire.ProxyError

// A DialError reports that no session came to be.
type DialError struct {
	URL  string // as it was dialed, without a password
	Err  error  // what happened
	Hint string // what may help, for people; may be empty
}

// Error says what was dialed, what happened, and what may help.
func (e *DialError) Error() string {
	s := fmt.Sprintf("client: dial %s: %s", e.URL, bare(e.Err))
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// Unwrap returns what happened.
func (e *DialError) Unwrap() error { return e.Err }

// A VersionError says which version the server wants, and which were offered. It
// is an ErrVersion.
type VersionError struct {
	Server string
	Client []string
}

// Error names the versions of both sides.
func (e *VersionError) Error() string {
	return fmt.Sprintf("%v: the server wants %q, the client speaks %q", ErrVersion, e.Server, e.Client)
}

// Is makes errors.Is(err, ErrVersion) hold.
func (e *VersionError) Is(target error) bool { return target == ErrVersion }

// endError is the end of a session for a reason that the transport found.
type endError struct {
	what string
	err  error
}

func (e *endError) Error() string { return "client: " + e.what + ": " + bare(e.err) }
func (e *endError) Unwrap() error { return e.err }

// bare returns the text of an error without the name of the package: whoever wraps
// it says client once.
func bare(err error) string {
	s := err.Error()
	for _, prefix := range []string{"client: ", "wire: "} {
		s = strings.TrimPrefix(s, prefix)
	}
	// What is no HTTP server may have been quoted at length.
	if most := 200; len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
