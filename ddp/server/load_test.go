package server_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/internal/wire"
	"github.com/replicad/replicad/ddp/server"
)

// board is a publication of documents that are changed for everybody at once, from one
// goroutine.
type board struct {
	docs []ejson.Doc

	mu   sync.Mutex // guards the next
	live map[*server.Publication]struct{}
}

func newBoard(srv *server.Server, documents int) *board {
	b := &board{live: make(map[*server.Publication]struct{})}
	for i := range documents {
		b.docs = append(b.docs, must(fmt.Sprintf(`{"_id":"document%09d","name":"Name of %d","room":"room%d","n":0,"at":{"$date":%d},"tags":["red","green"],"done":false}`,
			i, i, i%100, 1700000000000+i)))
	}
	srv.Publish("board", func(_ context.Context, p *server.Publication) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, d := range b.docs {
			p.Added("board", d)
		}
		b.live[p] = struct{}{}
		p.OnStop(func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			delete(b.live, p)
		})
		return nil
	})
	return b
}

// change changes one document for everybody, and nobody waits.
func (b *board) change(n int) {
	id := b.docs[n%len(b.docs)].ID()
	set := ejson.Make().With("n", n+1)
	b.mu.Lock()
	defer b.mu.Unlock()
	for p := range b.live {
		p.Changed("board", id, set, nil)
	}
}

// watcher is a client of a board that only counts.
type watcher struct {
	conn  *client.Conn
	seen  atomic.Int64  // changes
	goal  atomic.Int64  // when seen reaches it,
	there chan struct{} // there is something here; capacity 1
	ready chan struct{} // closed at ready
}

func watch(t testing.TB, addr string) *watcher {
	w := &watcher{ready: make(chan struct{}), there: make(chan struct{}, 1)}
	w.goal.Store(-1)
	conn, err := client.Dial(t.Context(), "ws://"+addr+"/websocket", client.Options{
		Deflate:    -1,
		ReadBuffer: 16 << 10, // a thousand of them are in one process, and a burst is some 8 KiB
		Events: &client.Events{
			Changed: func(ddp.Changed) {
				if w.seen.Add(1) == w.goal.Load() {
					w.there <- struct{}{}
				}
			},
			Ready: func(ddp.Ready) { close(w.ready) },
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.conn = conn
	if _, err := conn.Subscribe(t.Context(), "board"); err != nil {
		t.Fatal(err)
	}
	return w
}

// expect says what await is to wait for: so many changes.
func expect(all []*watcher, changes int) {
	for _, w := range all {
		w.goal.Store(int64(changes))
	}
}

// await waits until each watcher has seen the changes that were expected.
func await(t testing.TB, all []*watcher) {
	for _, w := range all {
		select {
		case <-w.there:
		case <-w.conn.Done():
			t.Fatalf("after %d of %d changes: %v", w.seen.Load(), w.goal.Load(), w.conn.Err())
		}
	}
}

// TestCrowd: many clients over the network, one of whom sleeps, see every change; the
// sleeper is let go and nobody else.
func TestCrowd(t *testing.T) {
	srv := keeping()
	srv.MaxQueue = 64 << 10
	b := newBoard(srv, 100)
	h := httptest.NewServer(srv)
	defer h.Close()
	var all []*watcher
	for range 20 {
		all = append(all, watch(t, h.Listener.Addr().String()))
	}
	for _, w := range all {
		<-w.ready
	}
	near, far := client.Pipe(client.PipeOptions{Queue: 1 << 10})
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(context.Background(), far) }()
	for _, frame := range []string{connect, sub("s", "board")} {
		if err := near.Write(t.Context(), []byte(frame), false); err != nil {
			t.Fatal(err)
		}
	}
	for { // reads until ready, and then sleeps
		frame, err := near.Read()
		if err != nil {
			t.Fatal(err)
		}
		if m, _ := ddp.Decode(frame); m != nil {
			if _, ok := m.(ddp.Ready); ok {
				break
			}
		}
	}
	const changes = 3000
	for n := range changes {
		if n%100 == 0 {
			expect(all, n+100)
		}
		b.change(n)
		if n%100 == 99 {
			await(t, all)
		}
	}
	if err := <-ended; err != server.ErrSlow {
		t.Errorf("the sleeper ended with %v", err)
	}
	for _, w := range all {
		if err := w.conn.Err(); err != nil {
			t.Error(err)
		}
		w.conn.Disconnect()
	}
	if s := srv.Stats(); s.Slow != 1 {
		t.Errorf("%d were let go", s.Slow)
	}
	finish(t, srv)
}

// BenchmarkCrowd is a second of 1,000 clients who have the same 100 documents, of which
// 100 are changed: 100,000 messages over loopback, encoded, sent, received and decoded.
// It keeps up if it takes less than a second.
func BenchmarkCrowd(bm *testing.B) {
	srv := keeping()
	b := newBoard(srv, 100)
	h := httptest.NewServer(srv)
	defer h.Close()
	var all []*watcher
	for range 1000 {
		all = append(all, watch(bm, h.Listener.Addr().String()))
	}
	for _, w := range all {
		<-w.ready
	}
	n := 0
	var worst time.Duration
	for bm.Loop() {
		began := time.Now()
		expect(all, n+100)
		for range 100 {
			b.change(n)
			n++
		}
		await(bm, all)
		worst = max(worst, time.Since(began))
	}
	bm.ReportMetric(float64(n)*float64(len(all))/bm.Elapsed().Seconds(), "messages/s")
	bm.ReportMetric(worst.Seconds()*1000, "ms-behind-at-most")
	bm.StopTimer()
	for _, w := range all {
		w.conn.Disconnect()
	}
	srv.Shutdown(context.Background())
}

// BenchmarkToReady is a subscription of 50,000 documents of some 175 bytes of text, from
// sub to ready over loopback: to a client that decodes them, and to one that only reads
// the frames.
func BenchmarkToReady(bm *testing.B) {
	const documents = 50_000
	for _, decodes := range []bool{false, true} {
		bm.Run(map[bool]string{false: "reader=bare", true: "reader=client"}[decodes], func(bm *testing.B) {
			srv := quiet()
			newBoard(srv, documents)
			h := httptest.NewServer(srv)
			defer h.Close()
			url := "ws://" + h.Listener.Addr().String() + "/websocket"
			bytes := 0
			for bm.Loop() {
				if decodes {
					toReady(bm, url, documents)
				} else {
					bytes = readToReady(bm, url, documents)
				}
			}
			bm.ReportMetric(float64(bm.N)*documents/bm.Elapsed().Seconds(), "docs/s")
			if bytes > 0 {
				bm.ReportMetric(float64(bytes)/documents, "B/doc")
			}
			bm.StopTimer()
			srv.Shutdown(context.Background())
		})
	}
}

func toReady(bm *testing.B, url string, documents int) {
	c, err := client.Dial(bm.Context(), url, client.Options{})
	if err != nil {
		bm.Fatal(err)
	}
	defer c.Close()
	c.Send(bm.Context(), ddp.Sub{ID: "s", Name: "board"})
	got := 0
	for {
		<-c.Ready()
		ms := c.Take()
		for _, m := range ms {
			switch m.(type) {
			case ddp.Added:
				got++
			case ddp.Ready:
				if got != documents {
					bm.Fatalf("ready after %d", got)
				}
				return
			}
		}
		if c.Err() != nil && len(ms) == 0 {
			bm.Fatal(c.Err())
		}
	}
}

func readToReady(bm *testing.B, url string, documents int) (bytes int) {
	c, err := wire.Dial(bm.Context(), url, wire.DialOptions{})
	if err != nil {
		bm.Fatal(err)
	}
	defer c.Close(wire.CodeNormal, "")
	for _, frame := range []string{connect, sub("s", "board")} {
		c.Write(bm.Context(), []byte(frame), false)
	}
	for range documents + 2 {
		frame, err := c.Read()
		if err != nil {
			bm.Fatal(err)
		}
		bytes += len(frame)
	}
	return bytes
}

// BenchmarkSessionMemory states what a session over a WebSocket costs that is connected,
// and what one that has 100 documents costs which others have too. The other ends are bare
// sockets.
func BenchmarkSessionMemory(bm *testing.B) {
	const sessions = 1000
	for _, documents := range []int{0, 100} {
		bm.Run(fmt.Sprintf("documents=%d", documents), func(bm *testing.B) {
			for bm.Loop() {
				srv := keeping()
				newBoard(srv, documents)
				h := httptest.NewServer(srv)
				before := inUse()
				var conns []net.Conn
				for range sessions {
					conns = append(conns, bareClient(bm, h.Listener.Addr().String()))
				}
				for s := range srv.Sessions() {
					for s.Stats().Out.Frames < uint64(documents)+2 { // connected and ready
						runtime.Gosched()
					}
				}
				time.Sleep(1500 * time.Millisecond) // a second after a burst sockets give back what it took
				bm.ReportMetric(float64(inUse()-before)/sessions, "B/session")
				for _, c := range conns {
					c.Close()
				}
				srv.Shutdown(context.Background())
				h.Close()
			}
		})
	}
}

// inUse is what heap and stacks take.
func inUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// bareClient opens a session and subscribes, on a socket that nobody reads.
func bareClient(t testing.TB, addr string) net.Conn {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "GET /websocket HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", addr)
	r := bufio.NewReaderSize(c, 16)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(resp, err)
	}
	for _, frame := range []string{connect, sub("s", "board")} {
		if len(frame) > 125 {
			t.Fatalf("%d bytes", len(frame))
		}
		c.Write(append([]byte{0x81, 0x80 | byte(len(frame)), 0, 0, 0, 0}, frame...)) // masked with zeros
	}
	return c
}
