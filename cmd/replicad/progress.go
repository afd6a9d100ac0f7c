package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	replica "github.com/replicad/replicad/sync"
)

// progress tells how the first sync goes, and every change of phase after it: on
// a terminal in one line that is written again, elsewhere in plain lines.
type progress struct {
	out      io.Writer
	terminal bool
	replica  *replica.Replica
	synced   <-chan struct{} // closed when every subscription was answered

	phase replica.Phase
	told  bool      // a phase was told
	why   string    // the reason that was told last for being offline
	since time.Time // when the connection that syncs was begun
	had   int       // documents at since
	last  int       // documents that were told last while syncing
	done  bool
	open  bool // the last line has no end yet
}

// newProgress tells out about a replica whose subscriptions have been answered
// when synced is closed.
func newProgress(out io.Writer, r *replica.Replica, synced <-chan struct{}) *progress {
	f, ok := out.(*os.File)
	return &progress{
		out:      out,
		terminal: ok && term.IsTerminal(int(f.Fd())),
		replica:  r,
		synced:   synced,
	}
}

// run tells until ctx is done.
func (p *progress) run(ctx context.Context) {
	statuses := make(chan replica.Status)
	go func() {
		defer close(statuses)
		for st := range p.replica.Statuses(ctx) {
			select {
			case statuses <- st:
			case <-ctx.Done():
				return
			}
		}
	}()
	every := 2 * time.Second
	if p.terminal {
		every = 200 * time.Millisecond
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	p.since, p.had = time.Now(), p.count()
	for {
		select {
		case st, more := <-statuses:
			if !more {
				p.end()
				return
			}
			p.status(st)
		case <-p.synced:
			p.synced, p.done = nil, true
			p.rate("synced")
			p.end()
		case <-tick.C:
			if n := p.count(); !p.done && n != p.last && (p.phase == replica.Catching || p.phase == replica.Live) {
				p.last = n
				p.rate("syncing")
			}
		}
	}
}

// status tells of a new phase.
func (p *progress) status(st replica.Status) {
	if st.Phase == p.phase && p.told {
		return
	}
	from, told := p.phase, p.told
	p.phase, p.told = st.Phase, true
	switch st.Phase {
	case replica.Connecting:
		if !p.done {
			p.since, p.had = time.Now(), p.count()
		}
	case replica.Offline:
		if st.Err != nil {
			p.offline(st)
		}
	case replica.Catching, replica.Live:
		p.why = ""
		if !told || from != replica.Catching {
			p.line("connected, with %s", plural(p.count(), "document"))
		}
		if p.done && st.Phase == replica.Live {
			p.line("live, with %s", plural(p.count(), "document"))
		}
	}
}

// offline tells why, once for as long as it is the same, and when the next try is. The
// first tries come at once, and are not worth a line each.
func (p *progress) offline(st replica.Status) {
	why := st.Err.Error()
	again := why == p.why
	p.why = why
	next := ""
	if !st.RetryAt.IsZero() {
		next = "; next try at " + st.RetryAt.Format(time.TimeOnly)
	}
	switch {
	case !again:
		p.line("offline, with %s: %s%s", plural(p.count(), "document"), printable(why), next)
	case time.Until(st.RetryAt) > time.Second/10:
		p.line("still offline after %d tries%s", st.Tries, next)
	}
}

// rate tells how many documents there are, and how fast they came.
func (p *progress) rate(word string) {
	n, took := p.count(), time.Since(p.since)
	text := fmt.Sprintf("%s: %s", word, plural(n, "document"))
	if came := n - p.had; came > 0 {
		text += fmt.Sprintf(", %s/s", thousands(int(float64(came)/took.Seconds())))
	}
	text += fmt.Sprintf(", after %v", round(took))
	if !p.terminal {
		fmt.Fprintln(p.out, text)
		return
	}
	fmt.Fprintf(p.out, "\r\033[K%s", text)
	p.open = true
}

// line tells one thing in a line of its own.
func (p *progress) line(format string, args ...any) {
	p.end()
	fmt.Fprintf(p.out, format+"\n", args...)
}

// end ends the line that is being written again.
func (p *progress) end() {
	if p.open {
		fmt.Fprintln(p.out)
		p.open = false
	}
}

// count counts the documents that the server owns.
func (p *progress) count() int {
	snap := p.replica.Store().Snapshot()
	n := 0
	for _, name := range snap.Collections() {
		if !isSystem(name) {
			n += snap.Len(name)
		}
	}
	return n
}
