package server

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
)

// Limit bounds how often something may be asked for: at most Count times within Per,
// counted from the first time. One time more is refused, before anything of the
// method or publication runs, with the error too-many-requests, whose details say
// when it will be let through again (timeToReset, in milliseconds).
//
// Calls that methods make of each other do not count, nor a call that is sent again
// and answered from memory, nor a subscription that is active already.
type Limit struct {
	// Methods and Subscriptions are the names that it is about; where both are nil, all.
	Methods       []string
	Subscriptions []string
	// Match says whether it is about an attempt; nil: about each of those names. It
	// must not wait.
	Match func(Attempt) bool
	// Each says which attempts are counted together: those of one session, of one
	// user, from one address, for one name, or what is common to several of these.
	// 0 means EachSession. What is not known (nobody is logged in, no address) is not
	// counted by EachUser and EachAddr.
	Each Each
	// Count is how many are let through in a window. 0 means none.
	Count int
	// Per is how long a window is. 0 means 10s, as Meteor has it.
	Per time.Duration
}

// Each is a set of things that attempts can have in common; see [Limit].
type Each uint8

// The things that attempts can have in common.
const (
	EachSession Each = 1 << iota
	EachUser
	EachAddr
	EachName
)

// Attempt is a call or subscription that a client asks for.
type Attempt struct {
	Session *Session
	UserID  string // "" for nobody
	Addr    string // host only; "" if unknown
	Name    string // of the method or publication
	Sub     bool   // it is a subscription
}

// Limit adds a limit. An attempt must be within all of those that are about it, and
// counts for each of them.
func (s *Server) Limit(l Limit) {
	l.Each = cmp.Or(l.Each, EachSession)
	l.Per = cmp.Or(l.Per, 10*time.Second)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits = append(s.limits, &limiter{Limit: l})
}

// limiter counts for a Limit.
type limiter struct {
	Limit

	mu      sync.Mutex // guards the rest; a leaf
	windows map[attemptKey]*window
	sweep   time.Time // when windows that are over are next looked for
}

// attemptKey is what attempts that are counted together have in common.
type attemptKey struct {
	session    string // its id: what a session has must not be kept by what counts
	user, addr string
	name       string
	sub        bool
}

type window struct {
	ends  time.Time
	count int
}

// about reports whether the limit is about an attempt, and under which key it counts.
func (l *limiter) about(a Attempt) (k attemptKey, ok bool) {
	names := l.Methods
	if a.Sub {
		names = l.Subscriptions
	}
	if (l.Methods != nil || l.Subscriptions != nil) && !slices.Contains(names, a.Name) {
		return k, false
	}
	if l.Each&EachUser != 0 && a.UserID == "" || l.Each&EachAddr != 0 && a.Addr == "" {
		return k, false
	}
	if l.Match != nil && !l.Match(a) {
		return k, false
	}
	if l.Each&EachSession != 0 {
		k.session = a.Session.id
	}
	if l.Each&EachUser != 0 {
		k.user = a.UserID
	}
	if l.Each&EachAddr != 0 {
		k.addr = a.Addr
	}
	if l.Each&EachName != 0 {
		k.name, k.sub = a.Name, a.Sub
	}
	return k, true
}

// count counts an attempt, and returns how long it must wait; 0: it is within the limit.
func (l *limiter) count(k attemptKey, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.windows[k]
	if w == nil || !now.Before(w.ends) {
		l.forget(now)
		if l.windows == nil {
			l.windows = make(map[attemptKey]*window)
		}
		w = &window{ends: now.Add(l.Per)}
		l.windows[k] = w
	}
	if w.count >= l.Count {
		return w.ends.Sub(now)
	}
	w.count++
	return 0
}

// forget drops windows that are over, once in a while.
func (l *limiter) forget(now time.Time) {
	if now.Before(l.sweep) {
		return
	}
	l.sweep = now.Add(l.Per)
	for k, w := range l.windows {
		if !now.Before(w.ends) {
			delete(l.windows, k)
		}
	}
}

// allow returns why a session may not call or subscribe now, nil if it may.
func (s *Session) allow(name string, sub bool, user string) (refused *ddp.Error) {
	s.server.mu.RLock()
	limits := s.server.limits
	s.server.mu.RUnlock()
	if len(limits) == 0 {
		return nil
	}
	defer func() {
		if v := recover(); v != nil { // of a Match
			s.logError("limit", name, caught(v))
			refused = ddp.NumericError(500, "Internal server error")
		}
	}()
	a := Attempt{Session: s, UserID: user, Addr: host(s.Addr()), Name: name, Sub: sub}
	var wait time.Duration
	now := time.Now()
	for _, l := range limits {
		if k, ok := l.about(a); ok {
			wait = max(wait, l.count(k, now))
		}
	}
	if wait == 0 {
		return nil
	}
	s.server.refused.Add(1)
	seconds := (wait + time.Second - 1) / time.Second
	return &ddp.Error{
		Code:    "too-many-requests",
		Reason:  fmt.Sprintf("Error, too many requests. Please slow down. You must wait %d seconds before trying again.", seconds),
		Details: ejson.Make().With("timeToReset", float64((wait+time.Millisecond-1)/time.Millisecond)),
	}
}

// host takes the port from an address, which differs from socket to socket.
func host(addr string) string {
	i := strings.LastIndexByte(addr, ':')
	if i < 0 || strings.Contains(addr[:i], ":") && !strings.HasSuffix(addr[:i], "]") {
		return addr // no port; or a bare address of version 6
	}
	return addr[:i]
}
