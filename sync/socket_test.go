package sync

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
	"github.com/replicad/replicad/store"
)

// TestSockets: what a replica says of the addresses that people try, over the real
// network stack.
func TestSockets(t *testing.T) {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "<html>hello</html>")
	}))
	defer page.Close()
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	for _, test := range []struct{ url, says string }{
		{"ws://" + nobody.Addr().String(), "nobody listens there"},
		{nobody.Addr().String(), "nobody listens there"},
		{page.URL, "not a DDP server"},
	} {
		r, err := Open(t.Context(), test.url, Options{Logger: quietLog()})
		if err != nil {
			t.Fatal(err)
		}
		for st := range r.Statuses(t.Context()) {
			if st.Phase == Offline && st.Err != nil {
				if !strings.Contains(st.Err.Error(), test.says) {
					t.Errorf("%s: %v", test.url, st.Err)
				}
				if st.Tries == 0 || st.RetryAt.IsZero() {
					t.Errorf("%s: %+v", test.url, st)
				}
				break
			}
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestOversized: a message beyond the limit ends the session, not the replica, and
// takes nothing from what is there.
func TestOversized(t *testing.T) {
	srv := &server.Server{Logger: quietLog()}
	srv.Publish("small", func(ctx context.Context, p *server.Publication) error {
		p.Added("docs", ejson.Make(ejson.Field{Name: "_id", Value: "small"}))
		return nil
	})
	srv.Publish("large", func(ctx context.Context, p *server.Publication) error {
		p.Added("docs", ejson.Make(ejson.Field{Name: "_id", Value: "large"}, ejson.Field{Name: "text", Value: strings.Repeat("x", 10_000)}))
		return nil
	})
	http := httptest.NewServer(srv)
	defer http.Close()
	opts := Options{Logger: quietLog()}
	opts.Client.MaxMessage = 1000
	r, err := Open(t.Context(), http.URL, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	small, err := r.Subscribe("small")
	if err != nil {
		t.Fatal(err)
	}
	if err := small.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	large, err := r.Subscribe("large")
	if err != nil {
		t.Fatal(err)
	}
	for st := range r.Statuses(t.Context()) {
		var big *client.TooBigError
		if st.Phase == Offline && errors.As(st.Err, &big) {
			break
		}
	}
	large.Stop()
	for st := range r.Statuses(t.Context()) {
		if st.Phase == Live {
			break
		}
	}
	if n := r.Store().Snapshot().Len("docs"); n != 1 {
		t.Errorf("%d documents", n)
	}
}

// BenchmarkFirstSync is the first sync of documents of about 300 bytes over a
// loopback WebSocket, server and client in one process.
func BenchmarkFirstSync(b *testing.B) {
	const n = 50_000
	http := publishing(b, n, 0)
	b.ReportAllocs()
	for b.Loop() {
		r := synced(b, http.URL, n)
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "docs/s")
}

// BenchmarkManyCollections is a first sync of as many collections as documents.
func BenchmarkManyCollections(b *testing.B) {
	const n = 20_000
	srv := &server.Server{Logger: quietLog(), Grace: -1}
	srv.Publish("all", func(ctx context.Context, p *server.Publication) error {
		for i := range n {
			p.Added(fmt.Sprint("collection", i), ejson.Make(ejson.Field{Name: "_id", Value: "x"}))
		}
		return nil
	})
	http := httptest.NewServer(srv)
	b.Cleanup(http.Close)
	for b.Loop() {
		r, err := Open(b.Context(), http.URL, Options{Logger: quietLog()})
		if err != nil {
			b.Fatal(err)
		}
		sub, err := r.Subscribe("all")
		if err != nil {
			b.Fatal(err)
		}
		if err := sub.Ready(b.Context()); err != nil {
			b.Fatal(err)
		}
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "collections/s")
}

// BenchmarkResync is a reconnect after which nothing has changed: all documents come
// again, and none of them is a change.
func BenchmarkResync(b *testing.B) { reconnecting(b, -1) }

// BenchmarkResume is a reconnect to a server that has kept the session.
func BenchmarkResume(b *testing.B) { reconnecting(b, time.Minute) }

func reconnecting(b *testing.B, grace time.Duration) {
	const n = 50_000
	r := synced(b, publishing(b, n, grace).URL, n)
	defer r.Close()
	changes := 0
	_, stop := r.Store().Tail("docs", func(*store.Commit) { changes++ })
	defer stop()
	b.ReportAllocs()
	for b.Loop() {
		r.Disconnect()
		r.Reconnect()
		for st := range r.Statuses(b.Context()) {
			if st.Phase == Live {
				break
			}
		}
	}
	b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "docs/s")
	if st := r.Status(); st.Resumed != (grace > 0) {
		b.Errorf("status %+v", st)
	}
	r.Close()
	if changes > 0 {
		b.Errorf("%d commits", changes)
	}
}

// publishing returns a server with n documents.
func publishing(b *testing.B, n int, grace time.Duration) *httptest.Server {
	docs := make([]ejson.Doc, n)
	for i := range docs {
		docs[i] = ejson.Make(
			ejson.Field{Name: "_id", Value: fmt.Sprintf("document%09d", i)},
			ejson.Field{Name: "author", Value: fmt.Sprint("author", i%1000)},
			ejson.Field{Name: "room", Value: fmt.Sprint("room", i%100)},
			ejson.Field{Name: "text", Value: strings.Repeat("lorem ipsum ", 8)},
			ejson.Field{Name: "score", Value: float64(i) / 7},
			ejson.Field{Name: "tags", Value: []any{"one", "two"}},
			ejson.Field{Name: "n", Value: i},
		)
	}
	srv := &server.Server{Logger: quietLog(), Grace: grace}
	srv.Publish("all", func(ctx context.Context, p *server.Publication) error {
		for _, doc := range docs {
			p.Added("docs", doc)
		}
		return nil
	})
	http := httptest.NewServer(srv)
	b.Cleanup(http.Close)
	return http
}

// synced returns a replica that has them.
func synced(b *testing.B, url string, n int) *Replica {
	r, err := Open(b.Context(), url, Options{Logger: quietLog()})
	if err != nil {
		b.Fatal(err)
	}
	sub, err := r.Subscribe("all")
	if err != nil {
		b.Fatal(err)
	}
	if err := sub.Ready(b.Context()); err != nil {
		b.Fatal(err)
	}
	if got := r.Store().Snapshot().Len("docs"); got != n {
		b.Fatalf("%d documents", got)
	}
	return r
}
