package bench

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/observe"
	"github.com/replicad/replicad/query"
	"github.com/replicad/replicad/store"
	replica "github.com/replicad/replicad/sync"
)

// wire counts the bytes of the connections that a replica makes.
type wire struct{ in, out atomic.Int64 }

func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &counted{c, w}, nil
}

type counted struct {
	net.Conn
	w *wire
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.w.in.Add(int64(n))
	return n, err
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.w.out.Add(int64(n))
	return n, err
}

// traveller is a replica that is away while documents change at the server.
type traveller struct {
	n       int
	source  *store.Store
	srv     published
	r       *replica.Replica
	w       wire
	mark    ejson.Doc // selects the document that changes last
	ids     []ejson.ID
	inc     *query.Modifier
	next    int
	watch   *observe.Handle // of the mark
	arrived chan struct{}   // closed when the mark has changed
}

// newTraveller returns one that has all of n documents. With a grace the server keeps
// the sessions of those who are away.
func newTraveller(tb testing.TB, n int, grace time.Duration) *traveller {
	t := &traveller{n: n, source: loaded(tb, n), ids: drawn(13, n), inc: likes(tb)}
	t.srv = publish(tb, t.source, grace)
	// A tenth of the documents may change before the server gives a session up.
	t.srv.MaxTail, t.srv.MaxTailMessages = 64<<20, n/10
	t.mark = selector(map[string]any{"_id": docs(n)[0].ID().Value().Str()})
	var err error
	t.r, err = replica.Open(context.Background(), t.srv.url, replica.Options{
		Logger:       silent,
		QuiesceLimit: time.Hour, // all at once, however long a slow machine takes for a million
		Client:       client.Options{NetDial: t.w.dial},
	})
	if err != nil {
		tb.Fatal(err)
	}
	index(tb, t.r.Store())
	sub, err := t.r.Subscribe(coll)
	if err == nil {
		err = sub.Ready(context.Background())
	}
	if err != nil {
		tb.Fatal(err)
	}
	t.until(replica.Live)
	return t
}

func (t *traveller) close(tb testing.TB) {
	if err := t.r.Close(); err != nil {
		tb.Error(err)
	}
	t.srv.stop()
}

// until waits for a phase.
func (t *traveller) until(phase replica.Phase) replica.Status {
	for st := range t.r.Statuses(context.Background()) {
		if st.Phase == phase {
			return st
		}
	}
	panic("unreachable: the context has no end")
}

// away goes, and has 1 % of the documents change meanwhile, the mark last.
func (t *traveller) away(tb testing.TB) {
	if err := t.r.Disconnect(); err != nil {
		tb.Fatal(err)
	}
	t.until(replica.Offline)
	if _, err := t.source.Update(func(tx *store.Tx) error {
		for range t.n/100 - 1 {
			if _, err := tx.UpdateID(coll, t.ids[t.next%draws], t.inc); err != nil {
				return err
			}
			t.next++
		}
		d, _ := tx.Get(coll, docs(t.n)[0].ID())
		t.next++
		return tx.Put(coll, d.WithValue("round", ejson.NumberValue(float64(t.next))))
	}); err != nil {
		tb.Fatal(err)
	}
	arrived := make(chan struct{})
	var err error
	if t.watch, err = observe.Docs(t.r.Store().Collection(coll).Find(t.mark), observe.Callbacks[ejson.Doc]{
		Changed: func(_, _ ejson.Doc) { close(arrived) },
	}); err != nil {
		tb.Fatal(err)
	}
	t.arrived = arrived
}

// back comes back, and returns when it has everything.
func (t *traveller) back(tb testing.TB) replica.Status {
	if err := t.r.Reconnect(); err != nil {
		tb.Fatal(err)
	}
	<-t.arrived
	st := t.until(replica.Live)
	t.watch.Stop()
	return st
}

// check compares the replica with the server.
func (t *traveller) check(tb testing.TB) {
	for _, d := range docs(t.n) {
		want, _ := t.source.Snapshot().Get(coll, d.ID())
		if got, ok := t.r.Store().Snapshot().Get(coll, d.ID()); !ok || !got.Same(want) {
			tb.Fatalf("the replica has %v, the server %v", got, want)
		}
	}
}

// BenchmarkW13 brings a replica up to date after 1 % of the documents changed while
// it was away: "resumed" by a server that kept the session, "anew" by one that did
// not and sends all. The clock runs from Reconnect until the last change is in the
// replica's store and it is Live; in-B and out-B are bytes on the wire meanwhile.
func BenchmarkW13(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		for _, mode := range []struct {
			name  string
			grace time.Duration
		}{{"resumed", time.Hour}, {"anew", -1}} {
			b.Run(mode.name, func(b *testing.B) {
				t := newTraveller(b, n, mode.grace)
				defer t.close(b)
				b.ReportAllocs()
				var in, out, rounds int64
				for b.Loop() {
					b.StopTimer()
					t.away(b)
					in, out, rounds = in-t.w.in.Load(), out-t.w.out.Load(), rounds+1
					b.StartTimer()
					st := t.back(b)
					b.StopTimer()
					in, out = in+t.w.in.Load(), out+t.w.out.Load()
					if st.Resumed != (mode.grace > 0) {
						b.Fatalf("resumed: %v", st.Resumed)
					}
					b.StartTimer()
				}
				b.StopTimer()
				b.ReportMetric(float64(in)/float64(rounds), "in-B")
				b.ReportMetric(float64(out)/float64(rounds), "out-B")
				t.check(b)
			})
		}
	})
}

// TestGuardResync holds the bytes on the wire after 1 % of the documents changed: what
// was missed and a few greetings where the session was kept, all where it was not.
func TestGuardResync(t *testing.T) {
	const n = 2_000
	_, all := Frames(coll, docs(n))
	for _, mode := range []struct {
		name    string
		grace   time.Duration
		allowed float64
	}{{"resumed", time.Hour, 5_000 + n/100*250}, {"anew", -1, 1.1 * float64(all)}} {
		tr := newTraveller(t, n, mode.grace)
		tr.away(t)
		in, out := tr.w.in.Load(), tr.w.out.Load()
		if st := tr.back(t); st.Resumed != (mode.grace > 0) {
			t.Errorf("%s: resumed is %v", mode.name, st.Resumed)
		}
		limit(t, mode.name+", bytes received", float64(tr.w.in.Load()-in), mode.allowed)
		limit(t, mode.name+", bytes sent", float64(tr.w.out.Load()-out), 1500)
		tr.check(t)
		tr.close(t)
	}
}
