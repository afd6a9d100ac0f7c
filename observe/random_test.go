package observe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// changesWanted is the size of the random tests: REPLICAD_CHANGES, or usualChanges.
func changesWanted(tb testing.TB) int {
	if s := os.Getenv("REPLICAD_CHANGES"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			tb.Fatal(err)
		}
		return n
	}
	return usualChanges
}

type object = map[string]any

// world makes random documents, transactions and queries over a small space, so
// that everything meets everything.
type world struct {
	*rand.Rand
	s    *store.Store
	coll store.Collection[ejson.Doc]
	ids  int // documents that there may be

	draining bool // for a while more goes than comes
}

func newWorld(seed uint64) *world {
	s := store.New(store.Options{})
	w := &world{Rand: rand.New(rand.NewPCG(seed, 3)), s: s, coll: s.Collection("things")}
	w.ids = []int{40, 150}[w.IntN(2)]
	return w
}

func (w *world) id() string { return fmt.Sprint("d", w.IntN(w.ids)) }

// indexes are those that come and go; most give the order of some query.
var indexes = [][]string{{"n"}, {"-n"}, {"room", "-n"}, {"-tags", "o.p"}, {"room"}, {"n", "room"}}

// reindex adds or drops an index.
func (w *world) reindex(tb testing.TB) {
	keys := indexes[w.IntN(len(indexes))]
	var err error
	if w.IntN(3) > 0 {
		err = w.coll.Index(keys...)
	} else if err = w.coll.DropIndex(keys...); errors.Is(err, store.ErrNoIndex) {
		err = nil
	}
	if err != nil {
		tb.Fatal(err)
	}
}

func (w *world) room() string { return fmt.Sprint("r", w.IntN(4)) }

func (w *world) doc(id string) ejson.Doc {
	fields := []ejson.Field{{Name: "_id", Value: id}}
	add := func(name string, value any) { fields = append(fields, ejson.Field{Name: name, Value: value}) }
	switch w.IntN(12) {
	case 0:
	case 1:
		add("room", nil)
	case 2:
		add("room", ejson.MakeArray(w.room(), w.room()))
	default:
		add("room", w.room())
	}
	add("n", w.IntN(8))
	if w.IntN(2) == 0 {
		add("tags", ejson.MakeArray(fmt.Sprint("t", w.IntN(3)), fmt.Sprint("t", w.IntN(3))))
	}
	if w.IntN(2) == 0 {
		add("o", ejson.Make(ejson.Field{Name: "p", Value: w.IntN(3)}, ejson.Field{Name: "q", Value: w.IntN(100)}))
	}
	if w.IntN(3) == 0 {
		add("flag", w.IntN(2) == 0)
	}
	return ejson.Make(fields...)
}

// commit makes one transaction and returns how many documents it wrote.
func (w *world) commit(tb testing.TB) (store.Seq, int) {
	n := 1
	switch w.IntN(10) {
	case 0:
		n = 1 + w.IntN(60)
	case 1, 2, 3:
		n = 1 + w.IntN(6)
	}
	name := "things"
	if w.IntN(20) == 0 {
		name = "others" // commits that concern no observer
	}
	if w.IntN(100) == 0 {
		w.draining = !w.draining
	}
	seq, err := w.s.Update(func(tx *store.Tx) error {
		if w.IntN(400) == 0 {
			tx.Clear(name)
			return nil
		}
		for range n {
			id := w.id()
			old, ok := tx.Get(name, ejson.StringID(id))
			var err error
			switch {
			case !ok && w.draining && w.IntN(4) > 0:
			case ok && w.IntN(4) == 0, ok && w.draining && w.IntN(2) == 0:
				tx.Delete(name, ejson.StringID(id))
				if w.IntN(3) == 0 { // removed and put back at once
					err = tx.Put(name, w.doc(id))
				}
			case ok && w.IntN(3) > 0: // change a field or two
				fresh := w.doc(id)
				for f := range fresh.Fields() {
					if f != "_id" && w.IntN(3) == 0 {
						old = old.WithValue(f, fresh.Field(f))
					}
				}
				err = tx.Put(name, old)
			default:
				err = tx.Put(name, w.doc(id))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return seq, n
}

func (w *world) selector() any {
	switch w.IntN(21) {
	case 18:
		return object{"$and": []any{
			object{"$or": []any{object{"n": object{"$lt": w.IntN(4)}}, object{"_id": w.id()}, object{"tags": "t1", "flag": true}}},
			object{"flag": object{"$ne": false}},
		}}
	case 19:
		return object{"$or": []any{object{"room": w.room()}, object{"room": nil}}} // one to be asked
	case 16:
		return object{"n": object{"$gte": w.IntN(4), "$lt": 4 + w.IntN(4)}}
	case 17:
		return object{"tags": object{"$gt": "t0", "$lt": "t2"}, "flag": object{"$exists": true}}
	case 0, 1:
		return object{}
	case 2, 3:
		return object{"room": w.room()}
	case 4:
		return object{"room": object{"$in": []any{w.room(), w.room()}}}
	case 5:
		return object{"_id": w.id()}
	case 6:
		return object{"_id": object{"$in": []any{w.id(), w.id(), w.id(), w.id()}}}
	case 7:
		return object{"n": object{"$gt": w.IntN(8)}}
	case 8:
		return object{"tags": fmt.Sprint("t", w.IntN(3))}
	case 9:
		return object{"o.p": w.IntN(3)}
	case 10:
		return object{"$or": []any{object{"room": w.room()}, object{"n": w.IntN(8)}}}
	case 11:
		return object{"$and": []any{object{"room": w.room()}, object{"n": object{"$lt": w.IntN(8)}}}}
	case 12:
		return object{"room": nil}
	case 13:
		return object{"room": object{"$exists": false}}
	case 14:
		return object{"tags": []any{"t1", "t2"}}
	case 15:
		return object{"room": object{"$in": []any{w.room(), nil}}, "flag": object{"$ne": true}}
	default:
		return object{"room": object{"$ne": w.room()}}
	}
}

func (w *world) query() store.Query[ejson.Doc] {
	q := w.coll.Find(w.selector())
	switch w.IntN(8) {
	case 0, 1:
		q = q.Sort("n")
	case 2:
		q = q.Sort("-n")
	case 3:
		q = q.Sort("room", "-n")
	case 4:
		q = q.Sort("-tags", "o.p")
	}
	if w.IntN(2) == 0 {
		q = q.Limit(w.IntN(7))
	}
	if w.IntN(3) == 0 {
		q = q.Skip(w.IntN(4))
	}
	switch w.IntN(6) {
	case 0:
		q = q.Fields("n")
	case 1:
		q = q.Fields("-n", "-tags")
	case 2:
		q = q.Fields("room", "o.q")
	}
	return q
}

// watcher accumulates what one observation is told.
type watcher struct {
	tb      testing.TB
	q       store.Query[ejson.Doc]
	ordered bool
	h       *Handle
	gate    chan struct{} // a callback takes one; closed for a watcher that is quick

	mu       sync.Mutex
	seq      store.Seq
	list     []ejson.Doc
	byID     map[ejson.ID]ejson.Doc
	batches  int
	moments  *moments
	finished bool
}

// moments keeps the last snapshots by their Seq.
type moments struct {
	mu   sync.Mutex
	last map[store.Seq]*store.Snapshot
}

func (m *moments) note(s *store.Snapshot) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last[s.Seq()] = s
	delete(m.last, s.Seq()-64)
}

func (m *moments) at(seq store.Seq) *store.Snapshot {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last[seq]
}

func (w *watcher) take(b docBatch) {
	if !b.First {
		<-w.gate
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.finished {
		w.tb.Error("a callback after Stop")
		return
	}
	if b.First != (w.batches == 0) || !b.First && (b.Seq <= w.seq || len(b.Events) == 0) {
		w.tb.Errorf("batch %d: first %v, seq %d after %d, %d events", w.batches, b.First, b.Seq, w.seq, len(b.Events))
	}
	w.batches++
	w.seq = b.Seq
	if w.ordered {
		if b.First {
			for i := range b.Events {
				if b.Events[i].Before != (ejson.ID{}) {
					w.tb.Error("the initial result is not in its order")
				}
			}
		}
		w.list = apply(w.tb, w.list, b.Events)
	} else {
		for _, e := range b.Events {
			old, ok := w.byID[e.ID]
			if ok != (e.Kind != Added) || ok && !old.Same(e.Old) || e.From != -1 || e.To != -1 {
				w.tb.Errorf("event %v does not fit %v", e, old)
			}
			switch e.Kind {
			case Added, Changed:
				if e.Kind == Changed && (!old.Merge(e.Set, e.Unset).Same(e.New) || old.Same(e.New)) {
					w.tb.Errorf("event %v is no change", e)
				}
				w.byID[e.ID] = e.New
			case Removed:
				delete(w.byID, e.ID)
			default:
				w.tb.Errorf("event %v in a result without an order", e)
			}
		}
	}
	if s := w.moments.at(b.Seq); s != nil {
		w.equalLocked(s)
	}
}

// equalLocked checks that the result so far is that of the query.
func (w *watcher) equalLocked(s *store.Snapshot) {
	w.tb.Helper()
	want, err := w.q.At(s).All()
	if err != nil {
		w.tb.Error(err)
	}
	got := w.list
	if !w.ordered {
		for _, d := range w.byID {
			got = append(got, d)
		}
		byID := func(a, b ejson.Doc) int { return strings.Compare(a.ID().Wire(), b.ID().Wire()) }
		slices.SortFunc(got, byID)
		slices.SortFunc(want, byID)
	}
	if !slices.EqualFunc(got, want, ejson.Doc.Same) {
		w.tb.Fatalf("%s at %d:\nobserved %v\nfetched  %v", describe(w.h.spec), s.Seq(), got, want)
	}
}

func watch(tb testing.TB, q store.Query[ejson.Doc], m *moments, slow bool) *watcher {
	w := &watcher{tb: tb, q: q, gate: make(chan struct{}, 1<<16), byID: map[ejson.ID]ejson.Doc{}, moments: m}
	if !slow {
		close(w.gate)
	}
	spec, err := q.Spec()
	if err != nil {
		tb.Fatal(err)
	}
	w.ordered = hasOrder(spec)
	w.h = &Handle{spec: spec}
	h, err := Start(q, w.take)
	if err != nil {
		tb.Fatal(err)
	}
	w.mu.Lock()
	w.h = h
	w.mu.Unlock()
	return w
}

// settle lets a slow watcher catch up, and checks it.
func (w *watcher) settle(seq store.Seq, s *store.Snapshot, slow bool) {
	if slow {
		for range cap(w.gate) - len(w.gate) {
			w.gate <- struct{}{}
		}
	}
	if err := w.h.Wait(context.Background(), seq); err != nil {
		w.tb.Fatal(err)
	}
	w.mu.Lock()
	w.equalLocked(s)
	w.mu.Unlock()
	if slow {
		for len(w.gate) > 0 {
			<-w.gate
		}
	}
}

// TestPushedIsFetched observes random queries under random transactions, some of
// the observers slow, some coming and going, and compares each accumulated result
// with the query.
func TestPushedIsFetched(t *testing.T) {
	seed := rand.Uint64()
	if s := os.Getenv("REPLICAD_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Logf("REPLICAD_SEED=%d", seed)
	wanted := changesWanted(t)
	refills := uint64(0)
	for done, round := 0, uint64(0); done < wanted; round++ {
		changes, n := pushedIsFetched(t, seed+round, min(wanted-done, 10_000))
		done += changes
		refills += n
	}
	t.Logf("windows were read again %d times", refills) // that they are is TestReserve's to prove
}

func pushedIsFetched(t *testing.T, seed uint64, wanted int) (changes int, refills uint64) {
	w := newWorld(seed)
	m := &moments{last: map[store.Seq]*store.Snapshot{}}
	var quick, slow []*watcher
	stop := func(list *[]*watcher) {
		if len(*list) == 0 {
			return
		}
		i := w.IntN(len(*list))
		x := (*list)[i]
		select {
		case <-x.gate: // quick
		default:
			close(x.gate)
		}
		refills += x.h.Explain().Refills
		x.h.Stop()
		x.mu.Lock()
		x.finished = true
		x.mu.Unlock()
		*list = slices.Delete(*list, i, i+1)
	}
	for changes < wanted {
		if len(quick) < 12 || w.IntN(30) == 0 {
			q := w.query()
			quick = append(quick, watch(t, q, m, false))
			if w.IntN(3) == 0 { // an equal query, perhaps in its own words
				quick = append(quick, watch(t, q, m, false))
			}
		}
		if len(slow) < 6 || w.IntN(30) == 0 {
			slow = append(slow, watch(t, w.query(), m, true))
		}
		if len(quick) > 20 || w.IntN(40) == 0 {
			stop(&quick)
		}
		if len(slow) > 8 || w.IntN(60) == 0 {
			stop(&slow)
		}
		if w.IntN(12) == 0 {
			w.reindex(t)
		}
		var resume func()
		if w.IntN(50) == 0 {
			resume = Pause(w.s)
		}
		var seq store.Seq
		for range 1 + w.IntN(3) { // commits that may be worked in together
			var n int
			seq, n = w.commit(t)
			changes += n
			m.note(w.s.Snapshot())
		}
		if resume != nil {
			resume()
		}
		now := w.s.Snapshot()
		for _, x := range quick {
			x.settle(seq, now, false)
		}
		if w.IntN(40) == 0 && len(slow) > 0 {
			slow[w.IntN(len(slow))].settle(seq, now, true)
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	for len(quick) > 0 {
		stop(&quick)
	}
	seq := w.s.Snapshot().Seq()
	for _, x := range slow {
		x.settle(seq, w.s.Snapshot(), true)
	}
	for len(slow) > 0 {
		stop(&slow)
	}
	return changes, refills
}
