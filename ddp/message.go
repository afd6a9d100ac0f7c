package ddp

import "github.com/replicad/replicad/ddp/ejson"

// Message is one of the message types of this package, by value.
type Message interface {
	// kind is the msg of the message on the wire.
	kind() string
}

// Kind returns the word that the wire has for the message: "added", "method".
// It is "" for an Unknown whose msg was missing or no text.
func Kind(m Message) string { return m.kind() }

// Connect opens a session: the first message on every socket.
type Connect struct {
	// Version is what the client proposes, "" where it was missing or no text.
	Version string
	// Support lists the versions that the client speaks, the best first. It is nil
	// where it was missing, no list, or had an entry that is no text.
	Support []string
	// Session is the id of the session to resume, "" for a new one.
	Session string
	// ReceivedCount is how many messages of that session arrived, pings and pongs
	// aside; 0 means that the client did not say.
	ReceivedCount int
}

// Connected answers Connect. Session is "" from servers that send none.
type Connected struct{ Session string }

// Failed answers a Connect whose version the server will not speak; Version is
// the one that it would. The server closes after it.
type Failed struct{ Version string }

// Disconnect announces that the client ends the session for good.
type Disconnect struct{}

// Ping asks for a Pong with the same ID; "" means none.
type Ping struct{ ID string }

// Pong answers a Ping.
type Pong struct{ ID string }

// Sub asks for a subscription. Params is empty where the wire had none.
type Sub struct {
	ID     string
	Name   string
	Params ejson.Array
}

// Unsub ends a subscription; the server answers with Nosub, also if the ID is
// unknown or "", which stands for none at all.
type Unsub struct{ ID string }

// Nosub tells that a subscription has ended; Err is why, nil if it was asked for.
type Nosub struct {
	ID  string
	Err *Error
}

// Added tells of a document that came into view. Fields is an empty document
// where the wire had none. The _id is not among them, unless the peer sent one or
// the Decoder was told to put it there ([Decoder.Whole]).
type Added struct {
	Collection string
	ID         ejson.ID
	Fields     ejson.Doc
}

// Changed tells of new values of some fields of a document, and of the fields
// that are gone. Fields is the zero Doc where only fields went.
type Changed struct {
	Collection string
	ID         ejson.ID
	Fields     ejson.Doc
	Cleared    []string
}

// Removed tells of a document that went out of view.
type Removed struct {
	Collection string
	ID         ejson.ID
}

// Ready tells that all documents of these subscriptions have been sent.
type Ready struct{ Subs []string }

// AddedBefore is Added with a place: before the document Before, and last if that
// is the zero ID. It is in the specification; no known server sends it.
type AddedBefore struct {
	Collection string
	ID         ejson.ID
	Fields     ejson.Doc
	Before     ejson.ID
}

// MovedBefore tells of a document that moved before Before, to the end if that is
// the zero ID. It is in the specification; no known server sends it.
type MovedBefore struct {
	Collection string
	ID         ejson.ID
	Before     ejson.ID
}

// Method calls a procedure. RandomSeed is "" where no stub drew from a random
// stream; an empty seed on the wire counts as none.
type Method struct {
	ID         string
	Name       string
	Params     ejson.Array
	RandomSeed string
}

// Result is the outcome of a method: Err, or else Value, which is Missing for a
// method that returned nothing. An error that is null counts as none.
type Result struct {
	ID    string
	Value ejson.Value
	Err   *Error
}

// Updated tells that all writes of these methods have been sent.
type Updated struct{ Methods []string }

// ErrorMessage is the server's complaint about a message that it could not take
// (the wire's word is error). Offending is that message as JSON text, nil where
// the server does not quote it.
type ErrorMessage struct {
	Reason    string
	Offending []byte
}

// Unknown is an object, or list, whose msg is missing or unknown to this package.
type Unknown struct {
	Type string // the msg, if it was text
	Raw  []byte // the message as it came
	// Err is nil from Decode. A client that passes on a frame that it could not
	// decode puts the reason here; Raw is then nil where the frame was no JSON.
	Err error
}

func (Connect) kind() string      { return "connect" }
func (Connected) kind() string    { return "connected" }
func (Failed) kind() string       { return "failed" }
func (Disconnect) kind() string   { return "disconnect" }
func (Ping) kind() string         { return "ping" }
func (Pong) kind() string         { return "pong" }
func (Sub) kind() string          { return "sub" }
func (Unsub) kind() string        { return "unsub" }
func (Nosub) kind() string        { return "nosub" }
func (Added) kind() string        { return "added" }
func (Changed) kind() string      { return "changed" }
func (Removed) kind() string      { return "removed" }
func (Ready) kind() string        { return "ready" }
func (AddedBefore) kind() string  { return "addedBefore" }
func (MovedBefore) kind() string  { return "movedBefore" }
func (Method) kind() string       { return "method" }
func (Result) kind() string       { return "result" }
func (Updated) kind() string      { return "updated" }
func (ErrorMessage) kind() string { return "error" }
func (u Unknown) kind() string    { return u.Type }
