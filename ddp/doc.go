// Package ddp defines the messages of Meteor's Distributed Data Protocol,
// versions 1, pre2 and pre1, as Go values, and their text on the wire. The
// client and the server packages speak them; this package knows no sockets.
//
// # Messages
//
// Every message is a plain struct that implements [Message]. The words are those
// of the protocol: added, changed, cleared, updated. A message that came from
// [Decode] shares no memory with the frame that it was read from, so the frame
// may be overwritten at once; and as documents never change, a message may be
// kept and shared by any number of goroutines.
//
// # What is tolerated
//
// Keys may come in any order, a key that comes twice counts as it came last, and keys
// that a message of that kind does not have are skipped, whatever is in them. A field
// that is both set and cleared is cleared. Where servers and clients in use differ,
// both are taken: connected without session, updated that names one method by id
// instead of a list, fields missing or null in added and changed, lists that are null,
// cleared in added, document and method ids that are numbers (in what a server sends),
// an error that is text instead of an object. A connect with a version or a list of
// versions that cannot be read decodes as one without, so that the answer is failed
// and not error, as Meteor's servers give it.
//
// An object whose msg is missing or unknown is not an error: it decodes as
// [Unknown], which a client ignores and a server refuses. A frame that is broken
// gives a [*MalformedError], which holds the message that a server answers.
//
// # Codecs and logs
//
// [JSON] is the text of the protocol as a [Codec], for those who can speak another form.
// [Redact] makes a frame fit for a log: it hides passwords, tokens and session ids.
//
// # Ids and random streams
//
// [NewID] makes the 17 character ids of Meteor from the system's entropy. A
// [Random] is the seeded generator behind randomSeed, and [Streams] the named
// generators that client and server both derive from one randomSeed, so that they
// give new documents the same ids.
package ddp
