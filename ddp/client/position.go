package client

// Position is how far a session was followed: what a later Dial quotes to resume it.
// The zero Position is no session.
//
// A message counts when its effect cannot be lost any more, not when it was received:
// an owner who keeps documents stores the Position together with them. Each message
// that Take gives counts one, whatever it is.
//
//	at := conn.Start()
//	for open := true; open; {
//		_, open = <-conn.Ready()
//		ms := conn.Take()
//		at = at.After(len(ms))
//		save(ms, at) // as one
//	}
type Position struct {
	Session  string
	Received int // messages, connected included
}

// After returns the position n messages later.
func (p Position) After(n int) Position {
	p.Received += n
	return p
}

// Resume makes o ask for the session, from that position on. The zero Position makes
// it ask for a new one.
func (p Position) Resume(o Options) Options {
	o.Session, o.ReceivedCount = p.Session, p.Received
	return o
}
