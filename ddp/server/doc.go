// Package server serves DDP. A [Server] is an http.Handler for WebSocket, and
// takes any other [Transport] too; it speaks with Meteor's clients and with all
// others. It knows no database: publications and methods are functions.
//
// # Order
//
// The messages of one client are handled one at a time, in the order in which
// they came: the next begins when the handler of the one before has returned, or
// has called Unblock (or, in a publication, Ready). Pings are answered at once.
// Two clients never wait for each other.
//
// What a client is told keeps the order in which it was said: what a publication
// adds before it is ready arrives before ready. After a method come the data that
// it waited for ([Call.Fence], [Call.Wait]), then updated, then result.
//
// # Documents
//
// Where several subscriptions of a client hold the same document, the client has
// the sum of them: for each top-level field the value of the subscription that
// gave the field first. When that one leaves, the next value shows. Documents are
// immutable and shared with whoever published them; a session keeps, for each that
// its client has, a reference and about 120 bytes (300 where two subscriptions
// hold it), and gives them back when the document goes.
//
// # Lost connections
//
// A session outlives its connection by Server.Grace. Calls go on meanwhile, and
// publications; what they say is kept, and with it what was sent last, since it may
// not have arrived: the last 256 KiB and what is under way, or up to Server.MaxTail of
// a client that does not answer pings; none of it for longer than Grace. A client that
// quotes the session and how many messages it received is sent exactly the rest, and
// goes on as if nothing had been. It may ask for its calls and subscriptions again:
// calls are made once and answered once, subscriptions that live are left as they are,
// and those that ended meanwhile are not begun anew. The newest connection has the session. After a disconnect message, a Close or
// Shutdown, or too much to be kept, there is nothing to come back to, and the client
// gets a new session.
//
// # Calls that are made once
//
// Within a session a call is made once, however often it is sent. Beyond it, and beyond
// the server's own end, only its owner can know what was done: a method stores what
// [Call.Record] gives it together with what it writes, and Server.Recall finds it again.
// It works for calls whose ids are unique for ever: see [Call.Key].
//
// # Who waits, and who is cut off
//
// While a subscription is not ready, its publisher waits when more than a megabyte
// lies unread, so that a set of any size goes out through little memory. After
// that nobody waits for a client: a publisher may serve a thousand from one loop,
// and one that sleeps must not hold up the others. What a client leaves unread is
// kept up to Server.MaxQueue; then its connection ends with [ErrSlow] and a line in
// the log, and it may come back as above. A publisher that would rather wait calls
// [Publication.Drain]. One step of any size (the documents of a subscription that
// ends, the difference at a change of user) is let through.
//
// A client that sends faster than it is served is slowed down by TCP.
//
// # What it costs
//
// A session over a WebSocket takes some 37 kB, stacks and buffers included; one with 100
// documents that others have too 68 kB, 20 of them the tail that is kept in case its
// connection is lost. While a client is given much at once it can take Server.MaxTail and
// MaxQueue more. (BenchmarkSessionMemory, BenchmarkCrowd, BenchmarkToReady.)
//
// # What stands around handlers
//
// [Server.WrapMethods], WrapPublications, WrapIncoming and WrapOutgoing put middleware
// around methods, publications and frames. [Server.Limit] bounds how often something
// may be asked for; [Server.Tap] watches frames, without their secrets; Server.Stats
// and Session.Stats count, print as one line, and count anew after ResetStats.
// [Server.SetStrategy] has sessions remember less of a collection than the documents.
//
// A panic in one of them is logged, and ends what it stands around and no more: the call,
// the subscription, or the session whose frame it was, with close code 1011. One of Tap
// ends nothing.
//
// # Connections of the owner's
//
// [Server.ServeHTTP] takes connections over by itself, also behind middleware whose
// ResponseWriter has an Unwrap method. Who wants to do it himself uses [Server.Upgrade]
// and [Server.ServePeer], with a [Transport] of his own around or instead of the socket;
// and [Session.Hijack] hands a connection back, to speak something else on it.
//
// # Errors
//
// A client is told the *ddp.Error that a handler returns; any other error, and any
// panic, becomes 500 "Internal server error", and the real one is logged: see
// [Sanitize].
//
// # Differences from Meteor's server
//
// Numbers are lines of the behaviour sheet.
//   - 18: the session that connected names has 43 characters, since whoever knows it
//     has the session; Session.ID is the first 17, and may be logged.
//   - 25: pings are sent in the midst of much data too, with an id.
//   - 27: a client that does not answer a ping loses its connection only.
//   - 135: a value of a $type that nobody registered is kept, not refused; where
//     the parameters of a method cannot be decoded, the method gets an error.
//   - 138: names are exact; toString is neither message, publication nor method.
//   - 139: messages, ids, subscriptions, calls, queues and sessions that wait for their
//     clients have limits. What nobody publishes is not counted by a Limit.
//   - 195: documents that the runs before a change of user held, under a strategy that
//     remembers ids, and that no new run holds, are removed.
//   - 145: a method whose writes propagate late is answered with data, updated,
//     result as well; Meteor sends the result first.
//   - 152: a call that is sent again is answered from memory, and made once. An id
//     that a client uses for another call (method, parameters or seed differ) is
//     another call, as in Meteor. The last 4,096 calls are known.
//   - 157: a sub with an id that nobody uses twice (see [Call.Key]) is ignored, too, where
//     the client asks again for a subscription that has ended, as it is about to hear.
//   - 163: a publication that returns is ready; to stay unready it must not return.
//   - 172: a sub with an empty id is refused as malformed.
//   - 230, 237: the count of a client that comes back may be any of those for which
//     the rest is still known; a session that has a socket is taken over.
//   - 234: see 152. Where the answer to a repeated call is among what is sent again,
//     there is no second one.
//   - 183: an Added of a document that the same subscription has replaces it.
package server
