package sync

import "errors"

var (
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("sync: replica closed")
	// ErrTooManyCalls is returned by a call while Options.MaxCalls others wait for
	// the server.
	ErrTooManyCalls = errors.New("sync: too many calls wait for the server")
	// ErrUnknownOutcome is the result of a NoRetry call whose connection was lost
	// after it was sent: the server may have run it, or not.
	ErrUnknownOutcome = errors.New("sync: outcome unknown: the connection was lost after the call was sent")
	// ErrStopped is returned by Ready and Err of a Subscription after its Stop.
	ErrStopped = errors.New("sync: subscription stopped")
	// ErrEnded is returned by Ready and Err of a Subscription that the server ended
	// without an error.
	ErrEnded = errors.New("sync: the server ended the subscription")
	// ErrOffline is the Status.Err of a replica that Disconnect took off the net.
	ErrOffline = errors.New("sync: disconnected on request")
)

// errLost is why a session is given up where nothing else says it.
var errLost = errors.New("sync: the connection ended")
