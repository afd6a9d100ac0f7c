package server

import (
	"cmp"
	"log/slog"
	"time"
)

func (s *Server) logger() *slog.Logger { return cmp.Or(s.Logger, slog.Default()) }

// As Meteor has them.
func (s *Server) heartbeat() time.Duration { return cmp.Or(s.Heartbeat, 15*time.Second) }
func (s *Server) timeout() time.Duration   { return cmp.Or(s.Timeout, 15*time.Second) }
func (s *Server) handshake() time.Duration { return cmp.Or(s.Handshake, 45*time.Second) }

// A minute lets a phone change from one network to another, or a server in front of
// this one start again; what a session costs meanwhile is bounded by the next two.
func (s *Server) grace() time.Duration { return cmp.Or(s.Grace, time.Minute) }

// 4 MiB is what the buffers on the way can hold, and more: what they held is lost
// with the connection.
func (s *Server) maxTail() int         { return cmp.Or(s.MaxTail, 4<<20) }
func (s *Server) maxTailMessages() int { return cmp.Or(s.MaxTailMessages, 20_000) }

// A megabyte holds the largest call that a person makes, and bounds what a
// thousand strangers can make the server hold to a gigabyte.
func (s *Server) maxMessage() int64 { return cmp.Or(s.MaxMessage, 1<<20) }

// 32 MiB are a hundred thousand changed documents at once, which a client that
// reads takes in well under a second. Less would cut off good clients after a bulk
// write; more would let a few sleeping ones fill the memory.
func (s *Server) maxQueue() int { return cmp.Or(s.MaxQueue, 32<<20) }

// A page of Meteor has some ten subscriptions, the largest apps a few hundred.
func (s *Server) maxSubs() int { return cmp.Or(s.MaxSubs, 1000) }

// A client that was offline for a day sends what it did at once: room for that.
func (s *Server) maxCalls() int { return cmp.Or(s.MaxCalls, 10000) }
func (s *Server) maxAsked() int { return cmp.Or(s.MaxAsked, 32<<20) }

// An office that loses its network comes back with all its people; they may come back.
func (s *Server) maxAway() int { return cmp.Or(s.MaxAway, 10_000) }
