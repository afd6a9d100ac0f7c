package sync

import (
	"log/slog"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/client"
)

// Options configure a Replica. The zero value keeps everything in memory.
type Options struct {
	// Path is the file to keep; "" keeps nothing.
	Path string
	// Delay is the longest time before a commit is synced to the file; 0 means 20ms.
	Delay time.Duration
	// Schema is the version of the documents that the program writes and understands. A
	// file of a lower one is migrated by Open, a file of a higher one refused
	// (ErrSchema). -1 takes every file as it is: for programs that only look.
	Schema int
	// Migrate rewrites the documents of a file of a lower schema (0: one that was made
	// before there were any), as they are shown, with what pending calls foretold. All
	// that it writes and the new schema are one commit, and on disk, before Open returns;
	// an error (Open returns it) leaves the file as it was. It may write what the server
	// publishes, too: that is shown until the server has sent it, in a new session.
	// Calls in the outbox stay as they were made. nil: the documents need no change.
	Migrate func(from int, tx *Tx) error
	// MinBackoff is the base of the wait before dialing again: the first two
	// retries come after 10ms (or MinBackoff, if that is less), retry n after
	// MinBackoff × 2.2ⁿ ± 25 %, counting from 0. 0 means 1s.
	MinBackoff time.Duration
	// MaxBackoff is the longest such wait, before the ± 25 %; 0 means 5m.
	MaxBackoff time.Duration
	// QuiesceLimit is how long a new session may take to be whole again before
	// what has come is shown beside the old documents; 0 means 30s.
	QuiesceLimit time.Duration
	// Grace is how long, once the replica is Live, a subscription that was found in
	// the file waits to be asked for again before it is given up; and how long
	// documents that no subscription speaks for are kept. 0 means 30s.
	Grace time.Duration
	// MaxCalls is how many calls may wait for the server; 0 means 10,000.
	MaxCalls int
	// MaxOutbox is how many calls made by Do may wait for the server; 0 means 10,000.
	MaxOutbox int
	// MaxFailed is how many calls of the outbox that ended with an error are kept; the
	// oldest go first. 0 means 1,000.
	MaxFailed int
	// Retries say, by method, what is done with a call made by Do that the server
	// refused; that of "" is for the methods that have none. Without any, a call that
	// was refused with the code too-many-requests is tried again until it is accepted.
	Retries map[string]RetryPolicy
	// Retry decides instead of Retries, if it is not nil: whether a call that was
	// refused is tried again, and after how long; refusals is how often it was refused
	// before. It must not wait.
	Retry func(method string, err *ddp.Error, refusals int) (after time.Duration, again bool)
	// Offline has the replica not dial before Reconnect: for programs that look at a
	// file, or mend its outbox. Then the url may be "".
	Offline bool
	// Client is for the connections: headers, TLS, heartbeat, limits. Its Session and
	// ReceivedCount are ignored, and its Logger is this one unless it is set.
	Client client.Options
	// Logger is told of every change of phase, of login and of the outbox's calls that do
	// not end well, and of what the server sent in vain; nil means slog.Default.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	// Meteor's own constants, so that a server sees the load it knows.
	o.MinBackoff = positive(o.MinBackoff, time.Second)
	o.MaxBackoff = positive(o.MaxBackoff, 5*time.Minute)
	// Long enough for a first set of 200,000 documents from Meteor (6,400 a
	// second), short enough that nobody thinks the program hangs.
	o.QuiesceLimit = positive(o.QuiesceLimit, 30*time.Second)
	// A program that has not subscribed 30s after it went live will not.
	o.Grace = positive(o.Grace, 30*time.Second)
	o.MaxCalls = positive(o.MaxCalls, 10_000)
	o.MaxOutbox = positive(o.MaxOutbox, 10_000)
	o.MaxFailed = positive(o.MaxFailed, 1_000)
	if o.Retry == nil {
		o.Retry = o.policyOf
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	o.Client.Session, o.Client.ReceivedCount = "", 0
	if o.Client.Logger == nil {
		o.Client.Logger = o.Logger
	}
	return o
}

// positive returns v, and the default where that is no number to work with.
func positive[T int | time.Duration](v, otherwise T) T {
	if v <= 0 {
		return otherwise
	}
	return v
}

const (
	// quickRetries is how many losses in a row are answered at once: nearly always
	// the server was restarted or a proxy went away, and is there.
	quickRetries = 2
	quickWait    = 10 * time.Millisecond
	backoffBase  = 2.2
	// hopeless is a count of retries that has long reached MaxBackoff.
	hopeless = 1000

	// Data messages that come within flushIdle of each other are one transaction,
	// but none waits longer than flushAge, and none is larger than flushSize: a
	// first sync should not make observers, or the disk, wait for its end.
	flushIdle = 5 * time.Millisecond
	flushAge  = 500 * time.Millisecond
	flushSize = 4096
	// After a rest of flushIdle the first few are shown at once, so that a live result
	// is not 5ms late for nothing. More than leadingSize is a burst, and gathers.
	leadingSize = 64

	// holdSize bounds what is kept in memory while a Wait call is outstanding.
	holdSize = 1 << 16
)
