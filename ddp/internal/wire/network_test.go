package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// gate is a connection whose writes wait while it is shut, and are counted.
type gate struct {
	net.Conn
	shut    atomic.Pointer[chan struct{}]
	waiting chan struct{}
	bytes   atomic.Int64
}

func (g *gate) Write(p []byte) (int, error) {
	if c := g.shut.Load(); c != nil {
		select {
		case g.waiting <- struct{}{}:
		default:
		}
		<-*c
	}
	g.bytes.Add(int64(len(p)))
	return g.Conn.Write(p)
}

// TestTLSIsCoalesced: frames that wait together share records, where each of its own
// would cost 22 bytes and an encryption.
func TestTLSIsCoalesced(t *testing.T) {
	const n = 1000
	got := make(chan int, 1)
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := Upgrade(w, r, UpgradeOptions{})
		if err != nil {
			return
		}
		defer s.Close(CodeNormal, "")
		frames := 0
		for {
			if _, err := s.Read(); err != nil {
				got <- frames
				return
			}
			frames++
		}
	}))
	defer srv.Close()
	g := &gate{waiting: make(chan struct{}, 1)}
	s, err := Dial(t.Context(), strings.Replace(srv.URL, "https", "wss", 1), DialOptions{
		TLS: srv.Client().Transport.(*http.Transport).TLSClientConfig,
		NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, addr)
			g.Conn = c
			return g, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	shut := make(chan struct{})
	g.shut.Store(&shut)
	frame := []byte(`{"msg":"method","id":"12"}`)
	s.Write(t.Context(), frame, false)
	<-g.waiting // the writer is at the first, and the others gather behind it
	before := g.bytes.Load()
	for range n - 1 {
		s.Write(t.Context(), frame, false)
	}
	g.shut.Store(nil)
	close(shut)
	s.Close(CodeNormal, "")
	if frames := <-got; frames != n {
		t.Errorf("%d frames arrived", frames)
	}
	const header = 6 // of a WebSocket frame of a client
	if per := float64(g.bytes.Load()-before)/n - float64(len(frame)+header); per > 2 {
		t.Errorf("TLS costs %.1f bytes a frame", per)
	}
}

// BenchmarkSocketWriteTLS is BenchmarkSocketWrite with TLS.
func BenchmarkSocketWriteTLS(b *testing.B) {
	done := make(chan struct{})
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := Upgrade(w, r, UpgradeOptions{})
		if err != nil {
			return
		}
		defer close(done)
		for err == nil {
			_, err = s.Read()
		}
	}))
	defer srv.Close()
	s, err := Dial(b.Context(), strings.Replace(srv.URL, "https", "wss", 1), DialOptions{
		TLS: &tls.Config{InsecureSkipVerify: true},
	})
	if err != nil {
		b.Fatal(err)
	}
	frame := []byte(`{"msg":"method","id":"12"}`)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Write(context.Background(), frame, false); err != nil {
			b.Fatal(err)
		}
	}
	s.Close(CodeNormal, "")
	<-done
}

// TestAnswerWithoutEnd: a server whose answer to the handshake never ends is given up
// on, and not kept in memory.
func TestAnswerWithoutEnd(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	sent := make(chan int, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			sent <- 0
			return
		}
		defer c.Close()
		n, _ := c.Write([]byte("HTTP/1.1 101 Switching Protocols\r\n"))
		line := []byte("X-A: " + strings.Repeat("a", 60_000) + "\r\n")
		for err == nil && n < 64*maxAnswer {
			var m int
			m, err = c.Write(line)
			n += m
		}
		sent <- n
	}()
	_, err = Dial(t.Context(), "ws://"+l.Addr().String(), DialOptions{})
	if !errors.Is(err, errAnswer) {
		t.Fatalf("got %v, wants %v", err, errAnswer)
	}
	if n := <-sent; n >= 64*maxAnswer {
		t.Fatalf("%d bytes were taken", n)
	}
}
