package sync

// step is a moment in the life of a call of the outbox at which tests end the process.
type step string

const (
	stepStub    step = "stub"    // the stub has run; nothing is committed
	stepCommit  step = "commit"  // in the store, with its call; nothing is on disk
	stepFsync   step = "fsync"   // on disk; Do has not returned
	stepSend    step = "send"    // noted as sent; not yet sent
	stepSent    step = "sent"    // handed to the socket
	stepResult  step = "result"  // the server's result has come, and nothing was made of it
	stepUpdated step = "updated" // the server's updated has come, and nothing was made of it
	stepData    step = "data"    // the server's data are in the store, with the position
	stepEnded   step = "ended"   // out of the outbox, and nobody was told
)

// steps are all of them, in the order in which a call comes to them.
var steps = []step{stepStub, stepCommit, stepFsync, stepSend, stepSent, stepData, stepResult, stepUpdated, stepEnded}

// failpoint is nil but in a process that is to die at a step.
var failpoint func(step)

// reached says how far a call has come.
func reached(s step) {
	if failpoint != nil {
		failpoint(s)
	}
}
