package ddp

import (
	"cmp"
	"fmt"
	"strconv"
)

// Error is an error that one side reports to the other, in a Result or a Nosub.
// Methods and publications return one to say what the client may know.
type Error struct {
	Code   string // "403", "user-not-found"
	Reason string // for people; may be empty
	// Details is a value that ejson.ValueOf takes; nil means none. After decoding
	// it is what Value.Any gives.
	Details any
	// Message and Type are what Meteor adds: "reason [code]" and "Meteor.Error".
	Message string
	Type    string
	// Numeric says that the code is a number on the wire, as Meteor's own 4xx and
	// 5xx codes are. It is ignored where Code is no number.
	Numeric bool
	// ClientSafe is the mark by which a server knows errors that may be shown.
	ClientSafe bool
}

// NumericError returns an error whose code is a number on the wire.
func NumericError(code int, reason string) *Error {
	return &Error{Code: strconv.Itoa(code), Reason: reason, Numeric: true}
}

// Error returns the reason with the code behind it.
func (e *Error) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("ddp: [%s]", e.Code)
	}
	return fmt.Sprintf("ddp: %s [%s]", e.Reason, e.Code)
}

// Is makes errors.Is(err, &ddp.Error{Code: "403"}) hold for every error of that
// code, whether it was a number or text.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && t.Reason == "" && t.Details == nil
}

// ForClient returns e as Meteor's servers send it: marked client-safe, with the
// type, and with a message made of reason and code where e has none.
func (e *Error) ForClient() *Error {
	c := *e
	c.ClientSafe = true
	c.Type = cmp.Or(c.Type, "Meteor.Error")
	if c.Message == "" {
		c.Message = "[" + c.Code + "]"
		if c.Reason != "" {
			c.Message = c.Reason + " " + c.Message
		}
	}
	return &c
}

// What a server says of a message that it cannot take.
const (
	BadRequest     = "Bad request"
	ParseError     = "Parse error"
	MalformedCall  = "Malformed method invocation"
	MalformedSub   = "Malformed subscription"
	ConnectFirst   = "Must connect first"
	AlreadyStarted = "Already connected"
)

// A MalformedError reports a frame that is no message, or a message that lacks
// what its kind needs.
type MalformedError struct {
	// Reason is what a server answers: BadRequest, ParseError, MalformedCall or
	// MalformedSub.
	Reason string
	// Type and ID are the msg and the id of the message as far as they could be
	// read, "" otherwise. With a Type of "method" and an ID, the call can be
	// answered with an error although its parameters are unreadable.
	Type, ID string
	// Offending is the message as compact JSON, to be quoted in the answer; nil
	// where the answer does not quote it (the frame is not an object or list, or
	// its values are no EJSON).
	Offending []byte
	// Err is what was wrong.
	Err error
}

// Error says what kind of message was broken and how.
func (e *MalformedError) Error() string {
	if e.Type == "" {
		return "ddp: malformed message: " + e.Err.Error()
	}
	return "ddp: malformed " + e.Type + ": " + e.Err.Error()
}

// Unwrap returns what was wrong.
func (e *MalformedError) Unwrap() error { return e.Err }

// Answer returns what a server answers.
func (e *MalformedError) Answer() ErrorMessage {
	return ErrorMessage{Reason: e.Reason, Offending: e.Offending}
}

// Refuse returns a server's answer to a well-formed message that it does not take:
// the reason, and the frame quoted. The answer does not keep the frame's memory.
func Refuse(reason string, frame []byte) ErrorMessage {
	return ErrorMessage{Reason: reason, Offending: compact(frame)}
}
