// Package client holds one DDP session on one socket. A [Conn] dies once and is
// never revived: to connect again is its owner's business (see package sync), or that of
// a [Reconnecting].
//
// # What a Conn does by itself
//
// It agrees on a version with the server, answers pings at once, pings after a
// silence, and finds out when the server is gone. It keeps no documents and repeats
// nothing.
//
// # Two ways to use it
//
// Who wants everything takes messages: [Conn.Send] and [Conn.Take]. Who wants calls and
// subscriptions has [Conn.Call], [Conn.Go] and [Conn.Subscribe], and gets the documents
// by [Events]. The first use of one of those, or Options.Events, makes the session
// give what arrives to them, and there is nothing to take any more. Events come one at
// a time, in the order of arrival; a Call returns when the events of what was sent
// before its result have returned. What arrived before the end of a session is still
// given, except after Close; then its calls and subscriptions end with Err.
//
// # Order and back-pressure
//
// Every frame that arrives after connected gives one message, pings and pongs
// aside; [Conn.Take] gives all that are waiting, in the order in which they came,
// and they belong to the caller. So who resumes a session counts one for connected
// and one for each message taken. Frames that cannot be understood are among them,
// as [ddp.Unknown], and are logged; they do not end the session.
//
// What waits to be taken is bounded, in messages and in bytes. When it is full the
// socket is not read any more, so the server is slowed by TCP. Meanwhile the
// session is not given up, and pings tell the server that the client lives.
//
// Messages sent by one goroutine arrive in that order. Send returns when the
// message is queued; it waits when the queue is full. What was queued when the
// session ends is lost, and nobody is told: the owner learns from what the server
// answers, or does not.
//
// # Resume
//
// Servers of Meteor 3.5 and later, and those of this module, keep a session for some
// time after its connection was lost. Who stores a [Position] with what it applied can
// go on from there: [Position.Resume] asks for it, [Conn.Resumed] tells the answer, and
// [Conn.Start] is where to count from. [Conn.Disconnect] ends a session for good.
// Session ids are secrets: who knows one can take the session over.
//
// # Ends
//
// [Conn.Done] is closed when the session has ended, and then [Conn.Err] says why:
// [ErrClosed] after Close, a [*CloseError] where the server closed, [ErrSilent]
// where it did not answer a ping, a [*TooBigError], or the network's error. What
// arrived before the end can still be taken.
package client
