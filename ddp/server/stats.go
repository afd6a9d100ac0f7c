package server

import (
	"sync/atomic"
	"time"
)

// Traffic is frames, and the bytes of their text.
type Traffic struct {
	Frames, Bytes uint64
}

func (t *Traffic) add(u Traffic) { t.Frames += u.Frames; t.Bytes += u.Bytes }

// SessionStats are figures of one session.
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

// Stats are figures of a server. What counts up counts from the beginning, sessions
// that have ended included.
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
		x := session.Stats()
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
