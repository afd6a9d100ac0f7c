package server

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/replicad/replicad/ddp/internal/wire"
)

// Traffic is frames, and the bytes of their text.
type Traffic struct {
	Frames, Bytes uint64
}

func (t *Traffic) add(u Traffic) { t.Frames += u.Frames; t.Bytes += u.Bytes }

func (t Traffic) minus(u Traffic) Traffic { return Traffic{t.Frames - u.Frames, t.Bytes - u.Bytes} }

func (t Traffic) String() string {
	return fmt.Sprintf("%d frames (%s)", t.Frames, wire.Size(t.Bytes))
}

// SessionStats are figures of one session. In, Out, Made and Subscribed count from its
// beginning, or from ResetStats.
type SessionStats struct {
	Began         time.Time
	Away          bool    // its client is, and may come back
	Connections   int     // that it had, the one it has included
	Subscriptions int     // that are active, universal ones not included
	Calls         int     // that wait or run
	In, Out       Traffic // of the session; pings and what was sent again included
	Made          uint64  // calls that were made
	Subscribed    uint64  // subscriptions that were begun
	Queued        int64   // bytes that wait to be sent
	Kept          int64   // bytes that were sent, and are kept in case the client comes back
}

// String gives one line for people.
func (s SessionStats) String() string {
	where := "here"
	if s.Away {
		where = "away"
	}
	return fmt.Sprintf("%s, connection %d, %d subscriptions (%d begun), %d calls (%d made), in %v, out %v, %s queued, %s kept",
		where, s.Connections, s.Subscriptions, s.Subscribed, s.Calls, s.Made, s.In, s.Out, size(s.Queued), size(s.Kept))
}

// Stats are figures of a server. What counts up counts from the beginning, or from
// ResetStats, sessions that have ended included.
type Stats struct {
	Connections   int // sockets, also of clients that have not connected
	Sessions      int // that live
	Away          int // of these, those whose client is away
	Subscriptions int
	Calls         int
	Queued, Kept  int64

	Opened     uint64 // sessions that were begun
	Resumed    uint64 // how often a session was taken up again
	Slow       uint64 // how often a client was let go since it did not read
	Refused    uint64 // calls and subscriptions that a Limit did not let through
	Recalled   uint64 // calls that Server.Recall answered; they count as made
	In, Out    Traffic
	Made       uint64
	Subscribed uint64
}

// String gives one line for people.
func (t Stats) String() string {
	return fmt.Sprintf("%d connections, %d sessions (%d away, %d opened, %d resumed, %d slow), %d subscriptions (%d begun), "+
		"%d calls (%d made, %d recalled), %d refused, in %v, out %v, %s queued, %s kept",
		t.Connections, t.Sessions, t.Away, t.Opened, t.Resumed, t.Slow, t.Subscriptions, t.Subscribed,
		t.Calls, t.Made, t.Recalled, t.Refused, t.In, t.Out, size(t.Queued), size(t.Kept))
}

func size(n int64) string { return wire.Size(uint64(max(0, n))) }

// counters are what a session counts. They are written by few and read by anyone.
type counters struct {
	inFrames, inBytes, outFrames, outBytes atomic.Uint64
	made, subscribed                       atomic.Uint64
}

func (c *counters) received(bytes int) {
	c.inFrames.Add(1)
	c.inBytes.Add(uint64(bytes))
}

func (c *counters) sent(frames, bytes int) {
	c.outFrames.Add(uint64(frames))
	c.outBytes.Add(uint64(bytes))
}

// Stats returns figures of the session as of now.
func (s *Session) Stats() SessionStats {
	t := s.total()
	if base := s.base.Load(); base != nil {
		t.In, t.Out = t.In.minus(base.In), t.Out.minus(base.Out)
		t.Made -= base.Made
		t.Subscribed -= base.Subscribed
	}
	return t
}

// ResetStats makes what counts up in Stats count from now on. That of the server does
// not change.
func (s *Session) ResetStats() {
	t := s.total()
	s.base.Store(&t)
}

// total is Stats without regard to ResetStats.
func (s *Session) total() SessionStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return SessionStats{
		Began:         s.began,
		Away:          s.link == nil,
		Connections:   s.links,
		Subscriptions: len(s.subs),
		Calls:         s.calls,
		In:            Traffic{s.count.inFrames.Load(), s.count.inBytes.Load()},
		Out:           Traffic{s.count.outFrames.Load(), s.count.outBytes.Load()},
		Made:          s.count.made.Load(),
		Subscribed:    s.count.subscribed.Load(),
		Queued:        s.out.queued(),
		Kept:          s.out.sentBytes(),
	}
}

// sentBytes returns how many bytes are kept of what was sent.
func (o *outbox) sentBytes() int64 {
	if len(o.chunks) == 0 {
		return 0
	}
	return o.taken.Load() - o.chunks[0].before
}

// Stats returns figures of the server as of now. It looks at every session.
func (s *Server) Stats() Stats {
	t := s.total()
	if base := s.base.Load(); base != nil {
		t.Opened -= base.Opened
		t.Resumed -= base.Resumed
		t.Slow -= base.Slow
		t.Refused -= base.Refused
		t.Recalled -= base.Recalled
		t.In, t.Out = t.In.minus(base.In), t.Out.minus(base.Out)
		t.Made -= base.Made
		t.Subscribed -= base.Subscribed
	}
	return t
}

// ResetStats makes what counts up in Stats count from now on. Those of the sessions do
// not change.
func (s *Server) ResetStats() {
	t := s.total()
	s.base.Store(&t)
}

// total is Stats without regard to ResetStats.
func (s *Server) total() Stats {
	s.mu.RLock()
	t := s.past
	t.Connections = len(s.links)
	live := make([]*Session, 0, len(s.sessions))
	for _, session := range s.sessions {
		live = append(live, session)
	}
	s.mu.RUnlock()
	t.Opened += uint64(len(live))
	t.Slow, t.Refused, t.Recalled = s.slow.Load(), s.refused.Load(), s.recalled.Load()
	for _, session := range live {
		x := session.total()
		t.addEnded(x)
		t.Sessions++
		if x.Away {
			t.Away++
		}
		t.Subscriptions += x.Subscriptions
		t.Calls += x.Calls
		t.Queued += x.Queued
		t.Kept += x.Kept
	}
	return t
}

// addEnded adds what counts up.
func (t *Stats) addEnded(x SessionStats) {
	t.Resumed += uint64(max(0, x.Connections-1))
	t.In.add(x.In)
	t.Out.add(x.Out)
	t.Made += x.Made
	t.Subscribed += x.Subscribed
}
