package client

import "github.com/replicad/replicad/ddp"

// Events are functions that are given what arrives; any of them may be nil. They are
// called one at a time and in the order of arrival, and share no lock with the session.
// While one runs the session's next messages wait, and so do the answers to calls: an
// event must not wait for a Call, or for a Subscription to be ready. It may start them.
type Events struct {
	Added   func(ddp.Added)
	Changed func(ddp.Changed)
	Removed func(ddp.Removed)
	// Ready is called when subscriptions have all their documents, also again.
	Ready func(ddp.Ready)
	// Other is given all other messages, but for the results, updated and nosub of the
	// session's own calls and subscriptions.
	Other func(ddp.Message)
}

// give passes on a message that is not the answer to anything.
func (e *Events) give(m ddp.Message) {
	switch m := m.(type) {
	case ddp.Added:
		if e.Added != nil {
			e.Added(m)
		}
	case ddp.Changed:
		if e.Changed != nil {
			e.Changed(m)
		}
	case ddp.Removed:
		if e.Removed != nil {
			e.Removed(m)
		}
	case ddp.Ready:
		if e.Ready != nil {
			e.Ready(m)
		}
	default:
		if e.Other != nil {
			e.Other(m)
		}
	}
}
