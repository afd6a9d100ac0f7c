package bench

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"runtime/metrics"
	"sync"
	"testing"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
	"github.com/replicad/replicad/observe"
	"github.com/replicad/replicad/query"
	"github.com/replicad/replicad/store"
)

var silent = slog.New(slog.DiscardHandler)

// published is a server of a store: docs is all documents, room those of a room.
type published struct {
	*server.Server
	url  string
	stop func()
}

func publish(tb testing.TB, s *store.Store, grace time.Duration) published {
	srv := &server.Server{Logger: silent, Grace: grace, Timeout: time.Minute}
	feed := func(p *server.Publication, q store.Query[ejson.Doc]) error {
		h, err := observe.Feed(q, coll, p)
		if err != nil {
			return err
		}
		p.OnStop(h.Stop)
		p.Follow(func(ctx context.Context, seq uint64) error { return h.Wait(ctx, store.Seq(seq)) })
		return nil
	}
	srv.Publish(coll, func(_ context.Context, p *server.Publication) error {
		return feed(p, s.Collection(coll).Find(nil))
	})
	srv.Publish("room", func(_ context.Context, p *server.Publication) error {
		return feed(p, s.Collection(coll).Find(map[string]any{"room": p.Params.At(0).Str()}))
	})
	web := httptest.NewServer(srv)
	return published{srv, web.URL, func() {
		if err := srv.Shutdown(context.Background()); err != nil {
			tb.Error(err)
		}
		web.Close()
	}}
}

// BenchmarkW12 is a first sync: a server that publishes a store of N documents and a
// replica with both indexes, in one process, over a WebSocket on loopback. The clock
// runs from Open until everything is in the replica's store. peak-B/doc is how far
// the heap rises meanwhile, the replica's documents, what the server keeps of the
// session and garbage included; kept-B/doc what of it stays.
func BenchmarkW12(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		srv := publish(b, loaded(b, n), -1)
		defer srv.stop()
		b.ReportAllocs()
		var peak, kept float64
		for b.Loop() {
			b.StopTimer()
			before := float64(heap())
			highest := watchHeap()
			b.StartTimer()
			r := synced(b, srv.url, n)
			b.StopTimer()
			peak = max(peak, float64(highest())-before)
			kept = float64(heap()) - before
			if err := r.Close(); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "docs/s")
		b.ReportMetric(peak/float64(n), "peak-B/doc")
		b.ReportMetric(kept/float64(n), "kept-B/doc")
	})
}

// watchHeap looks at the heap every millisecond until the function it returns is
// called, which returns the most bytes seen.
func watchHeap() (highest func() uint64) {
	stop, most := make(chan struct{}), make(chan uint64)
	go func() {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		top := uint64(0)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			metrics.Read(sample)
			top = max(top, sample[0].Value.Uint64())
			select {
			case <-stop:
				most <- top
				return
			case <-tick.C:
			}
		}
	}()
	return func() uint64 {
		close(stop)
		return <-most
	}
}

// audience is clients of one server, each subscribed to one of 100 rooms.
type audience struct {
	source *store.Store
	inc    *query.Modifier
	rooms  map[string][]ejson.ID // documents
	heard  chan struct{}         // a change each
	conns  []*client.Conn
	sent   int
}

// gather has so many clients dial, all at once, and returns when all are ready.
func gather(tb testing.TB, source *store.Store, url string, clients int) *audience {
	a := &audience{
		source: source, inc: likes(tb), rooms: map[string][]ejson.ID{},
		heard: make(chan struct{}, clients), conns: make([]*client.Conn, clients),
	}
	ctx := context.Background()
	var wg sync.WaitGroup
	for i := range a.conns {
		wg.Go(func() {
			conn, err := client.Dial(ctx, url, client.Options{Logger: silent, Handshake: time.Minute, ReadBuffer: 4 << 10, Events: &client.Events{
				Changed: func(ddp.Changed) { a.heard <- struct{}{} },
			}})
			if err != nil {
				tb.Error(err)
				return
			}
			a.conns[i] = conn
			sub, err := conn.Subscribe(ctx, "room", Room(i%Rooms))
			if err == nil {
				err = sub.Wait(ctx)
			}
			if err != nil {
				tb.Error(err)
			}
		})
	}
	wg.Wait()
	for _, d := range source.Snapshot().Each(coll) {
		room := d.Field("room").Str()
		a.rooms[room] = append(a.rooms[room], d.ID())
	}
	return a
}

func (a *audience) leave() {
	for _, c := range a.conns {
		if c != nil {
			c.Close()
		}
	}
}

// tell changes one document of every room, and returns when each client has heard of
// its own.
func (a *audience) tell(tb testing.TB) {
	if _, err := a.source.Update(func(tx *store.Tx) error {
		for _, ids := range a.rooms {
			if _, err := tx.UpdateID(coll, ids[a.sent%len(ids)], a.inc); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		tb.Fatal(err)
	}
	a.sent++
	for range a.conns {
		<-a.heard
	}
}

// BenchmarkW14 is 1,000 clients of one server of 10,000 documents, over WebSockets on
// loopback, all in one process. An operation is a commit that changes one document of
// every room, and ends when each client has heard of its own. B/client is the heap that
// a client costs, both ends of its socket included, with the read buffer for processes
// of many; dial-ms is the mean time to connect, subscribe and be ready, with all
// dialing at once.
func BenchmarkW14(b *testing.B) {
	const n, clients = 10_000, 1000
	source := loaded(b, n)
	srv := publish(b, source, -1)
	defer srv.stop()
	before, begin := heap(), time.Now()
	a := gather(b, source, srv.url, clients)
	dialed := time.Since(begin)
	defer a.leave()
	if b.Failed() {
		return
	}
	weight := float64(heap()) - float64(before)
	b.ReportAllocs()
	for b.Loop() {
		a.tell(b)
	}
	b.ReportMetric(clients*float64(a.sent)/b.Elapsed().Seconds(), "deliveries/s")
	b.ReportMetric(weight/clients, "B/client")
	b.ReportMetric(float64(dialed.Microseconds())/1e3/clients, "dial-ms")
}

// TestGuardDeliveries holds what a change allocates for each client that it is
// delivered to, on both ends together.
func TestGuardDeliveries(t *testing.T) {
	const clients = 50
	source := loaded(t, guarded)
	srv := publish(t, source, -1)
	defer srv.stop()
	a := gather(t, source, srv.url, clients)
	defer a.leave()
	if t.Failed() {
		return
	}
	a.tell(t)
	mallocs(t, "delivery to a client", 20*clients, 30, func() {
		for range 20 {
			a.tell(t)
		}
	})
}
