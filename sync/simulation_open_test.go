package sync

import (
	"fmt"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// open starts the replica.
func (s *simulation) open() {
	opts := Options{Path: s.path, Logger: quietLog()}
	opts.Client.Dial = s.dial
	r, err := Open(s.t.Context(), "ws://simulated.example", opts)
	if err != nil {
		s.t.Fatal(err)
	}
	s.r = r
	s.opened++
	// What is foretold is beside what the server says.
	foretell := func(tx *Tx, in Invocation) error {
		guess := in.Random("").Fraction()
		n, err := tx.Update("a", in.Params.At(0).Str(), map[string]any{"$set": map[string]any{"guess": guess}})
		s.mu.Lock()
		defer s.mu.Unlock()
		s.guesses[guess] = true
		if in.Params.Len() > 1 {
			s.foretold[in.Params.At(1).Number()] = n > 0
		}
		return err
	}
	r.Stub("bump", foretell)
	r.Stub("fail", func(tx *Tx, in Invocation) error {
		if err := foretell(tx, in); err != nil {
			return err
		}
		id := ejson.StringID(in.Params.At(0).Str())
		if tx.Delete("b", id) {
			return nil
		}
		return tx.Put("b", ejson.Make(ejson.Field{Name: "guess", Value: true}).WithID(id))
	})
	for _, collection := range []string{"a", "c", "u"} {
		r.Store().Tail(collection, func(c *store.Commit) {
			for _, ch := range c.Changes {
				if ch.Collection == collection && (collection != "c" || s.never) {
					s.watch(ch)
				}
			}
		})
	}
	r.Store().Tail("b", func(c *store.Commit) {
		for _, ch := range c.Changes {
			if ch.Collection == "b" {
				s.glance(ch)
			}
		}
	})
	if s.rng.IntN(3) == 0 {
		time.Sleep(time.Duration(s.rng.IntN(3000)) * time.Millisecond)
	}
	s.subs["a"] = s.subscribe("a")
	for name := range s.subs {
		if name != "a" {
			s.subs[name] = s.subscribe(name)
		}
	}
	if s.never && s.subs["never"] == nil {
		s.subs["never"] = s.subscribe("never")
	}
}

func (s *simulation) subscribe(name string) *Subscription {
	var params []any
	var n int
	if _, err := fmt.Sscanf(name, "group %d", &n); err == nil {
		name, params = "group", []any{n}
	}
	sub, err := s.r.Subscribe(name, params...)
	if err != nil {
		s.t.Fatal(err)
	}
	return sub
}

// watch judges a change of a collection of which the program always has all.
func (s *simulation) watch(ch store.Change) {
	if ch.After.IsZero() {
		if s.world.alive(ch.Collection, ch.Before) {
			s.fault("%v vanished from %s", ch.Before, ch.Collection)
		}
		return
	}
	if guess := ch.After.Field("guess"); !guess.IsMissing() && !s.guessed(guess.Number()) {
		s.fault("%v is nothing that a stub foretold", ch.After)
	}
	// Where subscriptions overlap the server tells of a change to one after the other.
	if (ch.Collection != "a" || s.stalls) && !s.world.said(ch.Collection, ch.After.Without("guess")) {
		s.fault("%v is nothing that the server ever said", ch.After)
	}
	if ch.Before.IsZero() {
		return
	}
	if ch.Before.Same(ch.After) {
		s.fault("%v did not change", ch.Before)
	}
	if before(ch.After, ch.Before) {
		s.fault("%v went back to %v", ch.Before, ch.After)
	}
}

// guessed reports whether a stub foretold that.
func (s *simulation) guessed(guess float64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.guesses[guess]
}

// glance judges a change of a collection of which the program has all at times: what
// comes is the server's, or a stub's, or the one with the other over it.
func (s *simulation) glance(ch store.Change) {
	made := ejson.Make(ejson.Field{Name: "guess", Value: true}).WithID(ch.ID)
	if !ch.After.IsZero() && !ch.After.Same(made) && !s.world.said("b", ch.After.Without("guess")) {
		s.fault("%v is nothing that anybody ever said", ch.After)
	}
}

// before reports whether a document was before another in its life.
func before(a, b ejson.Doc) bool {
	inc, with := a.Field("inc").Number(), b.Field("inc").Number()
	return inc < with || inc == with && a.Field("v").Number() < b.Field("v").Number()
}
