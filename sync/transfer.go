package sync

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// maxEntry bounds a line that Import reads.
const maxEntry = 64 << 20

// Drop takes a call out of the outbox, however far it has come. One that was never sent
// is cancelled, one that failed is dismissed. One that was sent ends with ErrDropped,
// though the server may have run it, and what its stub foretold goes when the server has
// said what is true. ErrNoCall if the call is not in the outbox.
func (p *Pending) Drop() error {
	var found bool
	if err := p.r.do(context.Background(), func(l *loop) { found = l.discard(p.c.id) }); err != nil {
		return err
	}
	if !found {
		return ErrNoCall
	}
	return nil
}

// discard is Pending.Drop.
func (l *loop) discard(id string) bool {
	c := l.entries[id]
	switch {
	case c == nil:
		return false
	case c.kept.state == Failed:
		return l.dismiss(id)
	case l.calls[id] != c && l.parked[id] != c:
		return false // it has ended just now
	case l.neverSent(c):
		l.giveUp(c, ErrCancelled)
	default:
		if l.wrote[id] != nil && !c.sent { // there will be no updated on this session
			if s := l.session; s != nil {
				s.release = append(s.release, id)
			} else {
				l.leaving = append(l.leaving, id)
			}
		}
		l.dequeue(c)
		delete(l.parked, id)
		l.retired = append(l.retired, retired{c: c, err: ErrDropped, gone: true})
	}
	l.recordRetired()
	return true
}

// Export writes calls of the outbox, in the order in which they were made, one a line in
// EJSON as in OutboxCollection: those of the given ids, or all. It returns how many it
// wrote; an id that is not there is ErrNoCall. They stay in the outbox: who sends them
// from elsewhere should Drop them here. What stubs foretold is not exported.
func (r *Replica) Export(w io.Writer, ids ...string) (n int, err error) {
	found := map[string]bool{}
	var line []byte
	for _, doc := range r.store.Snapshot().Each(OutboxCollection) {
		id := doc.ID().String()
		if len(ids) > 0 && !slices.Contains(ids, id) {
			continue
		}
		found[id] = true
		line = append(doc.AppendJSON(line[:0]), '\n')
		if _, err := w.Write(line); err != nil {
			return n, fmt.Errorf("sync: export: %w", err)
		}
		n++
	}
	for _, id := range ids {
		if !found[id] {
			return n, fmt.Errorf("sync: export %s: %w", id, ErrNoCall)
		}
	}
	return n, nil
}

// Import puts calls into the outbox that Export wrote, behind those that are there, and
// returns how many when they are on disk. They keep their ids, seeds, users and states,
// so a server that remembers ids runs none twice, wherever it comes from; what is in the
// outbox already is left out. Stubs are not run. One with NoRetry that was sent is taken
// as Failed, with ErrUnknownOutcome.
//
// It takes all or, with an error, none: a line that is no call of an outbox;
// ErrOutboxFull; ErrClosed; that of ctx. With the disk's, or that of ctx where the disk is
// slow, and a number that is not 0, they are in the outbox all the same, and on disk when
// it can be.
func (r *Replica) Import(ctx context.Context, from io.Reader) (int, error) {
	var calls []*call
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxEntry)
	for n := 1; lines.Scan(); n++ {
		if len(lines.Bytes()) == 0 {
			continue
		}
		doc, err := ejson.Parse(lines.Bytes())
		if err != nil {
			return 0, fmt.Errorf("sync: import: line %d: %w", n, err)
		}
		c, err := callFrom(doc)
		if err == nil && !slices.Contains([]State{Queued, Sent, Parked, Failed}, c.kept.state) {
			err = fmt.Errorf("a call in state %q", c.kept.state)
		}
		if err != nil {
			return 0, fmt.Errorf("sync: import: line %d: %w", n, err)
		}
		calls = append(calls, c)
	}
	if err := lines.Err(); err != nil {
		return 0, fmt.Errorf("sync: import: %w", err)
	}
	var taken int
	var at store.Seq
	var refused error
	err := r.do(ctx, func(l *loop) {
		taken, refused = l.admit(calls)
		at = l.seq
	})
	if err = errors.Join(err, refused); err != nil || r.db == nil {
		return taken, err
	}
	if err := r.db.Flush(ctx, at); err != nil {
		// They are in the outbox, and will be on disk when it can.
		return taken, err
	}
	_ = r.do(context.Background(), func(*loop) {}) // they may be sent now
	return taken, nil
}

// admit is Import.
func (l *loop) admit(calls []*call) (int, error) {
	known := map[string]bool{}
	calls = slices.DeleteFunc(calls, func(c *call) bool {
		twice := l.entries[c.id] != nil || known[c.id]
		known[c.id] = true
		return twice
	})
	failed := 0
	for _, c := range calls {
		if c.method.NoRetry && c.kept.state == Sent {
			c.kept.state, c.kept.err = Failed, ErrUnknownOutcome
		}
		if c.kept.state == Failed {
			failed++
		}
	}
	if len(l.entries)-len(l.failed)+len(calls)-failed > l.opts.MaxOutbox || len(l.failed)+failed > l.opts.MaxFailed {
		return 0, ErrOutboxFull
	}
	err := l.update(func(tx *store.Tx) error {
		for _, c := range calls {
			if err := tx.Put(OutboxCollection, c.record()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("sync: import: %w", err)
	}
	for _, c := range calls {
		c.kept.made, c.kept.seq = l.seq, l.seq
		l.takeUp(c)
	}
	l.boundDelays()
	l.align()
	return len(calls), nil
}
