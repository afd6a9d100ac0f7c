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

// progress tells how the first sync goes, and every change of phase: on a
// terminal in one line that is written again, elsewhere in plain lines.
type progress struct {
	out      io.Writer
	terminal bool
	replica  *replica.Replica

	began   time.Time // when the present sync began
	had     int       // documents there were then
	open    bool      // the last line has no end yet
	phase   replica.Phase
	nothing bool // no phase has been told
}

func newProgress(out io.Writer, r *replica.Replica) *progress {
	f, ok := out.(*os.File)
	return &progress{out: out, terminal: ok && term.IsTerminal(int(f.Fd())), replica: r, nothing: true}
}

// run tells until ctx is done.
func (p *progress) run(ctx context.Context) {
	phases := make(chan replica.Status)
	go func() {
		defer close(phases)
		for st := range p.replica.Statuses(ctx) {
			select {
			case phases <- st:
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
	for {
		select {
		case st, more := <-phases:
			if !more {
				p.end()
				return
			}
			p.status(st)
		case <-tick.C:
			if p.phase == replica.Catching {
				p.rate("syncing")
			}
		}
	}
}

// status tells of a new phase.
func (p *progress) status(st replica.Status) {
	if st.Phase == p.phase && !p.nothing {
		return
	}
	p.phase, p.nothing = st.Phase, false
	switch st.Phase {
	case replica.Offline:
		if st.Err != nil && !st.RetryAt.IsZero() {
			p.line("offline: %v; next try at %s", st.Err, st.RetryAt.Format(time.TimeOnly))
		} else if st.Err != nil {
			p.line("offline: %v", st.Err)
		}
	case replica.Catching:
		p.began, p.had = time.Now(), p.count()
		p.line("connected, with %s", plural(p.had, "document"))
	case replica.Live:
		p.rate("live")
		p.end()
	}
}

// rate tells how many documents there are, and how fast they came.
func (p *progress) rate(word string) {
	n, took := p.count(), time.Since(p.began)
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
