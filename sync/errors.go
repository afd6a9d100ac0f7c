package sync

import "errors"

var (
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("sync: replica closed")
	// ErrTooManyCalls is returned by a call while Options.MaxCalls others wait for
	// the server.
	ErrTooManyCalls = errors.New("sync: too many calls wait for the server")
	// ErrUnknownOutcome is the result of a NoRetry call whose connection, or process,
	// was lost after it was sent: the server may have run it, or not.
	ErrUnknownOutcome = errors.New("sync: outcome unknown: the connection was lost after the call was sent")
	// ErrOutboxFull is returned by Do while Options.MaxOutbox other calls wait for the
	// server.
	ErrOutboxFull = errors.New("sync: outbox full")
	// ErrExpired is the result of a call that was not sent within its TTL.
	ErrExpired = errors.New("sync: the call was not sent in time")
	// ErrCancelled is the result of a call that was cancelled before it was sent.
	ErrCancelled = errors.New("sync: call cancelled")
	// ErrSent is returned by Cancel for a call that was sent, or has ended.
	ErrSent = errors.New("sync: the call was sent already")
	// ErrSuperseded is the result of a call that was not sent, since a later one with the
	// same Method.Squash took its place.
	ErrSuperseded = errors.New("sync: superseded by a later call with the same key")
	// ErrDropped is the result of a call that Pending.Drop took out of the outbox after it
	// was sent: the server may have run it, or may yet.
	ErrDropped = errors.New("sync: dropped from the outbox; the server may have run it")
	// ErrSchema is returned by Open for a file whose documents are of a newer schema than
	// Options.Schema. A *SchemaError has the numbers.
	ErrSchema = errors.New("sync: documents of a newer schema")
	// ErrNoCall is returned where the outbox has no such call, or not in that state.
	ErrNoCall = errors.New("sync: no such call in the outbox")
	// ErrNeedsLogin is the result of a Call that was made by a user who is not logged in
	// any more, or whom the server does not accept: see Status.NeedsLogin.
	ErrNeedsLogin = errors.New("sync: login needed: call Login, or Logout to go on as nobody")
	// ErrLoginTimeout is returned by Login where the server did not answer.
	ErrLoginTimeout = errors.New("sync: the server did not answer the login")
	// ErrStopped is returned by Ready and Err of a Subscription after its Stop.
	ErrStopped = errors.New("sync: subscription stopped")
	// ErrEnded is returned by Ready and Err of a Subscription that the server ended
	// without an error.
	ErrEnded = errors.New("sync: the server ended the subscription")
	// ErrOffline is the Status.Err of a replica that Disconnect took off the net.
	ErrOffline = errors.New("sync: disconnected on request")
)

// errTooMuch is why a session is given up that cannot begin and must not go on growing.
var errTooMuch = errors.New("sync: the server sends too much before the login")

// errStranger is why a session is given up that the server takes to be another's.
var errStranger = errors.New("sync: the server takes the token to be another user's")

// errLost is why a session is given up where nothing else says it.
var errLost = errors.New("sync: the connection ended")
