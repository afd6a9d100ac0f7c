package bench

import (
	"context"
	"log/slog"
	"net"
	"net/http/httptest"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
	"github.com/replicad/replicad/observe"
	"github.com/replicad/replicad/store"
	replica "github.com/replicad/replicad/sync"
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
			b.Run(mode.name, func(b *testing.B) { resync(b, n, mode.grace) })
		}
	})
}

func resync(b *testing.B, n int, grace time.Duration) {
	source := loaded(b, n)
	srv := publish(b, source, grace)
	defer srv.stop()
	// A tenth of the documents may change before the server gives a session up.
	srv.MaxTail, srv.MaxTailMessages = 64<<20, n/10
	ctx := context.Background()
	var w wire
	r, err := replica.Open(ctx, srv.url, replica.Options{
		Logger:       silent,
		QuiesceLimit: time.Hour, // all at once, however long a slow machine takes for a million
		Client:       client.Options{NetDial: w.dial},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	index(b, r.Store())
	sub, err := r.Subscribe(coll)
	if err != nil {
		b.Fatal(err)
	}
	if err := sub.Ready(ctx); err != nil {
		b.Fatal(err)
	}
	until := func(phase replica.Phase) replica.Status {
		for st := range r.Statuses(ctx) {
			if st.Phase == phase {
				return st
			}
		}
		panic("unreachable: the context has no end")
	}
	until(replica.Live)
	mark := selector(map[string]any{"_id": docs(n)[0].ID().Value().Str()})
	ids, inc := drawn(13, n), likes(b)
	next := 0
	b.ReportAllocs()
	var in, out int64
	rounds := 0
	for b.Loop() {
		b.StopTimer()
		if err := r.Disconnect(); err != nil {
			b.Fatal(err)
		}
		until(replica.Offline)
		seq, err := source.Update(func(tx *store.Tx) error {
			for range n/100 - 1 {
				if _, err := tx.UpdateID(coll, ids[next%draws], inc); err != nil {
					return err
				}
				next++
			}
			d, _ := tx.Get(coll, docs(n)[0].ID())
			return tx.Put(coll, d.WithValue("round", ejson.NumberValue(float64(next))))
		})
		if err != nil || seq == 0 {
			b.Fatal(err)
		}
		arrived := make(chan struct{})
		h, err := observe.Docs(r.Store().Collection(coll).Find(mark), observe.Callbacks[ejson.Doc]{
			Changed: func(_, _ ejson.Doc) { close(arrived) },
		})
		if err != nil {
			b.Fatal(err)
		}
		in0, out0 := w.in.Load(), w.out.Load()
		b.StartTimer()
		if err := r.Reconnect(); err != nil {
			b.Fatal(err)
		}
		<-arrived
		st := until(replica.Live)
		b.StopTimer()
		in, out = in+w.in.Load()-in0, out+w.out.Load()-out0
		rounds++
		h.Stop()
		if st.Resumed != (grace > 0) {
			b.Fatalf("resumed: %v", st.Resumed)
		}
		b.StartTimer()
	}
	b.StopTimer()
	b.ReportMetric(float64(in)/float64(rounds), "in-B")
	b.ReportMetric(float64(out)/float64(rounds), "out-B")
	for _, d := range docs(n) {
		want, _ := source.Snapshot().Get(coll, d.ID())
		if got, ok := r.Store().Snapshot().Get(coll, d.ID()); !ok || !got.Same(want) {
			b.Fatalf("the replica has %v, the server %v", got, want)
		}
	}
}

// BenchmarkW14 is 1,000 clients of one server, each subscribed to one of 100 rooms of
// a store of 10,000 documents, over WebSockets on loopback, all in one process. An
// operation is a commit that changes one document of every room, and ends when each
// of the clients has heard of its own. B/client is the heap that a client costs, both
// ends of its socket included, with a read buffer for processes of many; dial-ms is the mean time to connect, subscribe and be
// ready, with all dialing at once.
func BenchmarkW14(b *testing.B) {
	const n, clients = 10_000, 1000
	source := loaded(b, n)
	srv := publish(b, source, -1)
	defer srv.stop()
	before := heap()
	begin := time.Now()
	heard := make(chan struct{}, clients)
	conns := make([]*client.Conn, clients)
	var wg sync.WaitGroup
	for i := range conns {
		wg.Go(func() {
			ctx := context.Background()
			conn, err := client.Dial(ctx, srv.url, client.Options{Logger: silent, Handshake: time.Minute, ReadBuffer: 4 << 10, Events: &client.Events{
				Changed: func(ddp.Changed) { heard <- struct{}{} },
			}})
			if err != nil {
				b.Error(err)
				return
			}
			conns[i] = conn
			sub, err := conn.Subscribe(ctx, "room", Room(i%Rooms))
			if err == nil {
				err = sub.Wait(ctx)
			}
			if err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
	dialed := time.Since(begin)
	defer func() {
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
	}()
	if b.Failed() {
		return
	}
	weight := float64(heap()) - float64(before)
	inc := likes(b)
	rooms := make(map[string][]ejson.ID, Rooms)
	for _, d := range docs(n) {
		room := d.Field("room").Str()
		rooms[room] = append(rooms[room], d.ID())
	}
	b.ReportAllocs()
	sent := 0
	for b.Loop() {
		if _, err := source.Update(func(tx *store.Tx) error {
			for _, ids := range rooms {
				if _, err := tx.UpdateID(coll, ids[sent%len(ids)], inc); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
		sent++
		for range clients {
			<-heard
		}
	}
	b.ReportMetric(clients*float64(sent)/b.Elapsed().Seconds(), "deliveries/s")
	b.ReportMetric(weight/clients, "B/client")
	b.ReportMetric(float64(dialed.Microseconds())/1e3/clients, "dial-ms")
	runtime.KeepAlive(source)
}
