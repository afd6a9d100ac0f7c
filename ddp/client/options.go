package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/internal/wire"
)

// Options configure Dial and New. The zero value is the default.
type Options struct {
	Header http.Header // sent with the handshake
	TLS    *tls.Config // for https and wss; nil means the system's roots
	// Proxy tells through which HTTP or SOCKS5 proxy a request goes, nil for none:
	// see http.ProxyURL. A nil Proxy means http.ProxyFromEnvironment.
	Proxy func(*http.Request) (*url.URL, error)
	// NetDial, if not nil, makes the network connection (to the server, or to the
	// proxy): for another network, an address of one's own, a tunnel, or a connection
	// that is open already. TLS and the WebSocket go on top of it.
	NetDial func(ctx context.Context, network, address string) (net.Conn, error)

	// Handshake bounds the dialing, from the first packet to connected; 0 means 10s,
	// negative no bound but the context's.
	Handshake time.Duration
	// Heartbeat is how often the client looks whether anything came from the
	// server, and pings if not; 0 means 17.5s, negative never.
	Heartbeat time.Duration
	// Timeout is the longest wait for the answer to a ping; 0 means 15s.
	Timeout time.Duration

	// Session is the id of a session to resume, and ReceivedCount how many of its
	// messages arrived, connected included and pings and pongs excluded. Servers
	// that cannot resume ignore both. Conn.Session tells whether it was resumed.
	Session       string
	ReceivedCount int
	// Versions are the protocol versions to be spoken, the best first; nil means
	// ddp.Versions().
	Versions []string
	// Version is the one to propose first: that of the last session. "" means the
	// first of Versions.
	Version string

	// MaxMessage is the longest message that is accepted, in bytes; 0 means 16 MiB.
	// A longer one ends the session with a *TooBigError.
	MaxMessage int64
	// MaxWaiting is how many messages may wait for Take, and MaxWaitingBytes how
	// many bytes of them; 0 means 4,096 and 4 MiB. One message may always wait.
	MaxWaiting      int
	MaxWaitingBytes int
	// ReadBuffer is the size of the buffer between a WebSocket and its reader, in bytes;
	// 0 means 64 KiB, which most of the memory of a quiet session is. A process of
	// a thousand sessions that receive little does with 4 KiB; a burst then takes
	// more system calls, not more memory.
	ReadBuffer int
	// Deflate is the shortest message that is sent compressed, in bytes, where the
	// server agrees; 0 means 1,024, negative that compression is not offered.
	Deflate int

	// Dial, if not nil, makes the transport instead of a WebSocket: see Pipe. It is
	// given the URL as Dial was.
	Dial func(ctx context.Context, url string) (Transport, error)
	// Events, if not nil, is given all messages, in order and one at a time, and Take
	// gives none.
	Events *Events
	// MaxCalls is how many calls may be unanswered; one more is ErrTooManyCalls. 0
	// means 10,000.
	MaxCalls int
	// Heart, if not nil, makes the heartbeat of a session, and Heartbeat and Timeout
	// count no more. ping sends a ping and does not wait; lost gives the server up.
	// Either may be called by any goroutine, but not by Heart itself.
	Heart func(ping, lost func()) Heart
	// Whole puts the _id before the Fields of every ddp.Added, which then are the whole
	// document. The ID shares memory with them: see ejson.ID.Clone.
	Whole bool
	// Codec turns messages into frames and back; nil means ddp.JSON.
	Codec ddp.Codec
	// Tap, if not nil, is shown every frame that was queued for sending or received,
	// with passwords, tokens and session ids hidden: see ddp.Redact and LogFrames. Those
	// of another Codec are shown as JSON, and empty where they are no message. The
	// frame is lent. Any goroutine may call it, several at once.
	Tap func(sent bool, frame []byte)
	// Logger hears of frames that cannot be understood and of complaints of the
	// server, and at the level of debugging of beginnings and ends; nil means
	// slog.Default().
	Logger *slog.Logger

	rest func(ddp.Message) // of a Reconnecting, instead of Events
}

func (o Options) withDefaults() Options {
	o.Handshake = cmp.Or(o.Handshake, 10*time.Second)
	// Servers ping after 15s. A little more leaves the pings to them.
	o.Heartbeat = cmp.Or(o.Heartbeat, 17500*time.Millisecond)
	o.Timeout = cmp.Or(o.Timeout, 15*time.Second)
	// A batch of 4,096 is some milliseconds of work for a store, enough to make
	// the cost of a commit vanish; a larger one only adds latency and memory.
	o.MaxWaiting = cmp.Or(o.MaxWaiting, 4096)
	o.MaxWaitingBytes = cmp.Or(o.MaxWaitingBytes, 4<<20)
	if o.Versions == nil {
		o.Versions = ddp.Versions()
	}
	if o.Version == "" && len(o.Versions) > 0 {
		o.Version = o.Versions[0]
	}
	// A page of Meteor has some tens; a gateway that was offline for a day has thousands.
	o.MaxCalls = cmp.Or(o.MaxCalls, 10_000)
	if o.Codec == nil {
		o.Codec = ddp.JSON
	}
	o.Logger = cmp.Or(o.Logger, slog.Default())
	return o
}

// Heart decides when a session pings its server, and when it gives the server up.
type Heart interface {
	// Heard notes that a frame arrived, of whatever kind.
	Heard()
	// Deaf notes that the session stops reading, since nobody takes what arrived, or
	// reads again. Meanwhile the server's silence means nothing. Heard and Deaf are
	// called by one goroutine and must not wait.
	Deaf(deaf bool)
	// Stop ends the heartbeat: neither ping nor lost is called any more, unless they
	// are running. It must not wait for them.
	Stop()
}

// LogFrames returns an Options.Tap that logs every frame at the level of debugging.
func LogFrames(l *slog.Logger) func(sent bool, frame []byte) {
	return func(sent bool, frame []byte) {
		if l.Enabled(context.Background(), slog.LevelDebug) {
			l.Debug("ddp: frame", "sent", sent, "text", string(frame))
		}
	}
}

// Transport carries whole frames; the sockets and the ends of a Pipe are ones.
type Transport = wire.Transport

// PipeEnd is one end of a Pipe, and PipeOptions configure it.
type (
	PipeEnd     = wire.PipeEnd
	PipeOptions = wire.PipeOptions
)

// Pipe returns two connected transports in memory, for tests and simulations: one
// for Options.Dial or New, the other for a server. They work in a testing/synctest
// bubble, and Cut breaks them.
func Pipe(opts PipeOptions) (a, b *PipeEnd) { return wire.Pipe(opts) }
