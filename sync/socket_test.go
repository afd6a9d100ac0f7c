package sync

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
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

// BenchmarkFirstSync is the first sync of documents of about 300 bytes over a
// loopback WebSocket, server and client in one process.
func BenchmarkFirstSync(b *testing.B) {
	const n = 50_000
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
	srv := &server.Server{Logger: quietLog()}
	srv.Publish("all", func(ctx context.Context, p *server.Publication) error {
		for _, doc := range docs {
			p.Added("docs", doc)
		}
		return nil
	})
	http := httptest.NewServer(srv)
	defer http.Close()
	b.ReportAllocs()
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
		if got := r.Store().Snapshot().Len("docs"); got != n {
			b.Fatalf("%d documents", got)
		}
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "docs/s")
}
