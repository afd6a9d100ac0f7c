package client

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/replicad/replicad/ddp/internal/wire"
)

// Stats is what went over a session since it began, or since ResetStats. Bytes are those
// of the messages' text, whatever was compressed or added on the way.
type Stats struct {
	For         time.Duration // how long that is
	MessagesIn  uint64        // of every kind
	BytesIn     uint64
	MessagesOut uint64
	BytesOut    uint64
	PingsIn     uint64 // pings of the server, all answered
	PingsOut    uint64 // pings of ours, those of Ping included
	PongsIn     uint64 // their answers
	Strange     uint64 // frames that could not be understood
	// RoundTrip is how long the last answer to a ping of the heartbeat took; 0 means
	// that there was none.
	RoundTrip time.Duration
}

// String gives one line for people.
func (s Stats) String() string {
	line := fmt.Sprintf("in %s: %d messages in (%s), %d out (%s), %d of %d pings answered, %d pings of the server",
		s.For.Round(time.Millisecond), s.MessagesIn, wire.Size(s.BytesIn), s.MessagesOut, wire.Size(s.BytesOut),
		s.PongsIn, s.PingsOut, s.PingsIn)
	if s.RoundTrip > 0 {
		line += fmt.Sprintf(", round trip %s", s.RoundTrip.Round(10*time.Microsecond))
	}
	if s.Strange > 0 {
		line += fmt.Sprintf(", %d messages not understood", s.Strange)
	}
	return line
}

// minus returns what came since t; what is no count is kept.
func (s Stats) minus(t Stats) Stats {
	s.MessagesIn -= t.MessagesIn
	s.BytesIn -= t.BytesIn
	s.MessagesOut -= t.MessagesOut
	s.BytesOut -= t.BytesOut
	s.PingsIn -= t.PingsIn
	s.PingsOut -= t.PingsOut
	s.PongsIn -= t.PongsIn
	s.Strange -= t.Strange
	s.For -= t.For
	return s
}

// plus returns the sums; the round trip is the later one, For that of s.
func (s Stats) plus(t Stats) Stats {
	s.MessagesIn += t.MessagesIn
	s.BytesIn += t.BytesIn
	s.MessagesOut += t.MessagesOut
	s.BytesOut += t.BytesOut
	s.PingsIn += t.PingsIn
	s.PingsOut += t.PingsOut
	s.PongsIn += t.PongsIn
	s.Strange += t.Strange
	if t.RoundTrip > 0 {
		s.RoundTrip = t.RoundTrip
	}
	return s
}

// Totals is what went over the sessions of a Reconnecting.
type Totals struct {
	Stats
	Connections uint64 // sessions that came to be
	Resumed     uint64 // how many of them went on with an old one
	Failed      uint64 // attempts that led to no session
}

// String gives one line for people.
func (t Totals) String() string {
	return fmt.Sprintf("%s, %d connections (%d resumed), %d failed", t.Stats, t.Connections, t.Resumed, t.Failed)
}

func (t Totals) minus(u Totals) Totals {
	t.Stats = t.Stats.minus(u.Stats)
	t.Connections -= u.Connections
	t.Resumed -= u.Resumed
	t.Failed -= u.Failed
	return t
}

// meter counts. Its numbers only grow.
type meter struct {
	started           time.Time
	framesIn, bytesIn atomic.Uint64 // written by the reader only
	framesOut         atomic.Uint64
	bytesOut          atomic.Uint64
	pingsIn, pingsOut atomic.Uint64
	pongsIn, strange  atomic.Uint64
	pinged, roundTrip atomic.Int64 // since started; pinged: of an unanswered ping, or 0
	base              atomic.Pointer[Stats]
}

// received counts a frame. As only one goroutine does, it need not add atomically.
func (m *meter) received(n int) {
	m.framesIn.Store(m.framesIn.Load() + 1)
	m.bytesIn.Store(m.bytesIn.Load() + uint64(n))
}

func (m *meter) sent(n int) {
	m.framesOut.Add(1)
	m.bytesOut.Add(uint64(n))
}

func (m *meter) total() Stats {
	return Stats{
		For:        time.Since(m.started),
		MessagesIn: m.framesIn.Load(), BytesIn: m.bytesIn.Load(),
		MessagesOut: m.framesOut.Load(), BytesOut: m.bytesOut.Load(),
		PingsIn: m.pingsIn.Load(), PingsOut: m.pingsOut.Load(), PongsIn: m.pongsIn.Load(),
		Strange:   m.strange.Load(),
		RoundTrip: time.Duration(m.roundTrip.Load()),
	}
}

// Stats returns what went over the session.
func (c *Conn) Stats() Stats {
	s := c.total()
	if base := c.base.Load(); base != nil {
		s = s.minus(*base)
	}
	return s
}

// ResetStats makes Stats count from now on.
func (c *Conn) ResetStats() {
	s := c.total()
	c.base.Store(&s)
}
