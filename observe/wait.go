package observe

import (
	"context"
	"errors"

	"github.com/replicad/replicad/store"
)

// ErrStopped is returned by Wait where the observation ends before it has
// delivered what is waited for.
var ErrStopped = errors.New("observe: stopped")

// waiter is one call of Wait, in a list: done is closed when the handle has
// delivered so many parcels.
type waiter struct {
	pushed uint64
	done   chan struct{}
	next   *waiter
}

// Wait waits until everything that commits up to seq did to the result has been
// delivered: their callbacks have returned. Where seq is still to come, it waits
// for that too. It returns the error of ctx, or ErrStopped. Inside the handle's
// own callback, or inside store.Update, it would wait for itself.
func (h *Handle) Wait(ctx context.Context, seq store.Seq) error {
	if h.hub.in.noted() < seq {
		if err := committed(ctx, h.hub.store, seq); err != nil {
			return err
		}
	}
	h.hub.reach(seq)
	if err := h.loaded(ctx); err != nil {
		return err
	}
	h.mu.Lock()
	if h.delivered >= h.pushed {
		defer h.mu.Unlock()
		if h.stopped {
			return ErrStopped
		}
		return nil
	}
	w := &waiter{h.pushed, make(chan struct{}), h.waiters}
	h.waiters = w
	h.mu.Unlock()
	select {
	case <-w.done:
		return nil
	case <-h.Done():
		return ErrStopped
	case <-ctx.Done():
		h.mu.Lock()
		defer h.mu.Unlock()
		for at := &h.waiters; *at != nil; at = &(*at).next {
			if *at == w {
				*at = w.next
				break
			}
		}
		return ctx.Err()
	}
}

// loaded waits until the result is not being read again.
func (h *Handle) loaded(ctx context.Context) error {
	for {
		h.hub.mu.Lock()
		if h.res.loaded {
			h.hub.mu.Unlock()
			return nil
		}
		loading := h.res.loading
		h.hub.mu.Unlock()
		select {
		case <-loading:
			if h.ended() { // and so may the result be
				return ErrStopped
			}
		case <-h.Done():
			return ErrStopped
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// committed waits until the store has told its observers of commit seq.
func committed(ctx context.Context, s *store.Store, seq store.Seq) error {
	for {
		news := make(chan struct{}, 1)
		// A tail begins between two commits: all that the snapshot holds is told.
		from, stop := s.Tail("", func(c *store.Commit) {
			if c.Seq >= seq {
				signal(news)
			}
		})
		if from.Seq() >= seq {
			stop()
			return nil
		}
		select {
		case <-news:
			stop()
		case <-ctx.Done():
			stop()
			return ctx.Err()
		}
	}
}
