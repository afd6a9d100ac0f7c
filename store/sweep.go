package store

import (
	"errors"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

const (
	// sweepEvery is the time between two looks for what has expired. A person does
	// not mind a second, and a look that finds nothing costs a microsecond an index.
	sweepEvery = time.Second
	// sweepMost documents go in one commit, so that other writers get their turn.
	sweepMost = 1000
)

// schedule starts the goroutine that removes expired documents when there is an
// index that wants it, and ends it when there is none. The caller holds the
// writer's lock.
func (s *Store) schedule() {
	wanted := false
	for _, t := range s.tables {
		for _, x := range t.indexes {
			wanted = wanted || x.expire
		}
	}
	switch {
	case wanted && s.sweeping == nil && !s.closed:
		stop := make(chan struct{})
		s.sweeping = stop
		s.sweeps.Go(func() { s.sweepUntil(stop) })
	case !wanted && s.sweeping != nil:
		close(s.sweeping)
		s.sweeping = nil
	}
}

func (s *Store) sweepUntil(stop <-chan struct{}) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			s.sweep(stop)
		}
	}
}

// sweep removes what has expired.
func (s *Store) sweep(stop <-chan struct{}) {
	now := time.Now()
	snap := s.Snapshot()
	for _, v := range snap.versions {
		for _, x := range v.indexes {
			if !x.expire {
				continue
			}
			m, err := x.expired(now)
			for err == nil {
				var n int
				if n, err = s.sweepIndex(v.name, x.name, m); n < sweepMost {
					break
				}
				select {
				case <-stop:
					return
				default:
				}
			}
			if err != nil && !errors.Is(err, ErrClosed) {
				s.log.Warn("expired documents stay", "collection", v.name, "index", x.name, "err", err)
			}
		}
	}
}

// expired returns what selects the documents of the index that have expired.
func (d *definition) expired(now time.Time) (*query.Matcher, error) {
	var until, by, all ejson.Builder
	until.Add("$lte", ejson.DateValue(now.Add(-d.ttl).UnixMilli()))
	by.Add(lastPath(d.key.Keys()), until.Doc().Value())
	partial := d.key.Options().Partial
	if partial == nil {
		return query.Compile(by.Doc())
	}
	all.Add("$and", ejson.ArrayOf(by.Doc().Value(), partial.Selector().Value()).Value())
	return query.Compile(all.Doc())
}

// sweepIndex removes up to sweepMost expired documents and returns how many. The
// writer's lock is not taken where there are none.
func (s *Store) sweepIndex(collection, name string, m *query.Matcher) (n int, err error) {
	sp := Spec{Collection: collection, Matcher: m, Limit: 1, Hint: name}
	for range sp.Run(s.Snapshot()) {
		n++
	}
	if n == 0 {
		return 0, nil
	}
	_, err = s.Update(func(tx *Tx) error {
		o := tx.part(collection)
		if n = 0; o.denied != nil || named(o.table.indexes, name) < 0 {
			return nil // it was claimed, or the index dropped
		}
		found := tx.find(o, m, sweepMost)
		for _, l := range found {
			o.set(o.lookDoc(l.doc), ejson.Doc{})
		}
		n = len(found)
		return nil
	})
	return n, err
}
