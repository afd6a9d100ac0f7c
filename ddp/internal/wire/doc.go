// Package wire moves frames: whole text messages, over a WebSocket or, for tests
// and simulations, over memory. It does not look into them.
//
// # Transports
//
// A [Transport] has three methods. One goroutine reads; any number write. What
// Read returns is lent until the next Read; what Write is given is copied before
// it returns. The queue of frames to be written is bounded in bytes: a Write that
// finds it full waits, so that a slow peer slows its writer instead of filling the
// memory. Urgent frames go before the others and never wait.
//
// [Dial] and [Upgrade] make a transport of a WebSocket. Its one goroutine writes:
// it takes the whole queue at once and gives it to the socket in as few system
// calls as it can. [Pipe] makes two transports that are joined in memory. All
// waiting in it is on channels and timers, so it works in a testing/synctest
// bubble, and it can be cut, delayed and made to swallow frames.
//
// # SockJS
//
// [DialSockJS] and [UpgradeSockJS] make a transport of a WebSocket on which the
// framing of SockJS is spoken; its frames are then the messages within. [Accept] is
// all that a DDP server answers over HTTP: raw WebSockets, SockJS, and what SockJS
// clients ask before. The other transports of SockJS (long polling and streams) are
// not there, and clients find that out by themselves.
//
// # Ends
//
// A transport ends once. Read then gives the reason, always the same:
// [*CloseError] where the other side said so, [*TooBigError], [ErrCut], the
// network's own error, or [ErrClosed] after Close. Frames that arrived before the
// end are read first, except after Close and a cut.
//
// # Heartbeats
//
// A [Heartbeat] says when to ping and when the other side must be given up. It has
// no goroutine and no transport of its own; client and server both use it.
//
// # Compression
//
// permessage-deflate is offered and accepted unless Limits.Deflate is negative.
// Frames shorter than Limits.Deflate go out uncompressed also where it was agreed:
// each message is compressed alone, so a short one gains little (a 340-byte added
// shrinks by a third) and costs twenty times as much processor time.
package wire
