package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
)

// serve starts a server whose handler gets each accepted socket, and returns its
// ws URL. The handler is waited for.
func serve(t testing.TB, opts UpgradeOptions, handle func(s *Socket)) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := Upgrade(w, r, opts)
		if err != nil {
			return
		}
		defer s.Close(CodeNormal, "")
		handle(s)
	}))
	t.Cleanup(srv.Close)
	return "ws" + strings.TrimPrefix(srv.URL, "http")
}

func dialTest(t testing.TB, url string, opts DialOptions) *Socket {
	t.Helper()
	s, err := Dial(t.Context(), url, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(CodeNormal, "") })
	return s
}

// echo sends back what it reads, until the end.
func echo(s *Socket) {
	for {
		frame, err := s.Read()
		if err != nil || s.Write(context.Background(), frame, false) != nil {
			return
		}
	}
}

func TestSocketEcho(t *testing.T) {
	for _, deflate := range []int{-1, 0, 1} {
		t.Run(fmt.Sprintf("deflate=%d", deflate), func(t *testing.T) {
			limits := Limits{Deflate: deflate}
			s := dialTest(t, serve(t, UpgradeOptions{Limits: limits}, echo), DialOptions{Limits: limits})
			for _, size := range []int{0, 1, 125, 126, 1023, 1024, 5000, 65535, 65536, 1 << 20, 3} {
				want := bytes.Repeat([]byte("é"), size/2+1)[:size]
				if err := s.Write(t.Context(), want, false); err != nil {
					t.Fatal(err)
				}
				got, err := s.Read()
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("size %d: got %d bytes, %v", size, len(got), err)
				}
			}
		})
	}
}

func TestSocketKeepsOrderUnderLoad(t *testing.T) {
	const n = 20000
	s := dialTest(t, serve(t, UpgradeOptions{}, func(s *Socket) {
		for i := range n {
			if s.Write(context.Background(), fmt.Appendf(nil, `{"n":%d}`, i), false) != nil {
				return
			}
		}
		s.Read()
	}), DialOptions{})
	for i := range n {
		frame, err := s.Read()
		if err != nil || string(frame) != fmt.Sprintf(`{"n":%d}`, i) {
			t.Fatalf("frame %d: %q, %v", i, frame, err)
		}
	}
}

func TestSocketClose(t *testing.T) {
	t.Run("by the server, after what it sent", func(t *testing.T) {
		s := dialTest(t, serve(t, UpgradeOptions{}, func(s *Socket) {
			s.Write(context.Background(), []byte("last words"), false)
			s.Close(4001, "kicked "+strings.Repeat("ü", 100))
		}), DialOptions{})
		if frame, err := s.Read(); err != nil || string(frame) != "last words" {
			t.Fatalf("%q, %v", frame, err)
		}
		for range 3 {
			var closed *CloseError
			if _, err := s.Read(); !errors.As(err, &closed) || closed.Code != 4001 || !strings.HasPrefix(closed.Text, "kicked ü") {
				t.Fatal(err)
			}
		}
		if err := s.Write(t.Context(), []byte("x"), false); err == nil {
			t.Fatal("write after the end succeeded")
		}
	})
	t.Run("by us, unread input", func(t *testing.T) {
		got := make(chan error, 1)
		s := dialTest(t, serve(t, UpgradeOptions{}, func(s *Socket) {
			for range 100 {
				s.Write(context.Background(), make([]byte, 10000), false)
			}
			_, err := s.Read()
			if err == nil {
				_, err = s.Read()
			}
			got <- err
		}), DialOptions{})
		s.Write(t.Context(), []byte("bye"), false)
		s.Close(CodeNormal, "done")
		var closed *CloseError
		if err := <-got; !errors.As(err, &closed) || closed.Code != CodeNormal || closed.Text != "done" {
			t.Fatal(err)
		}
		if _, err := s.Read(); err != ErrClosed {
			t.Fatal(err)
		}
	})
	t.Run("while reading", func(t *testing.T) {
		s := dialTest(t, serve(t, UpgradeOptions{}, func(s *Socket) { s.Read() }), DialOptions{})
		got := make(chan error, 1)
		go func() {
			_, err := s.Read()
			got <- err
		}()
		s.Close(CodeNormal, "")
		if err := <-got; err != ErrClosed {
			t.Fatal(err)
		}
	})
	t.Run("dropped", func(t *testing.T) {
		s := dialTest(t, serve(t, UpgradeOptions{}, func(s *Socket) { s.Close(CodeDrop, "") }), DialOptions{})
		var closed *CloseError
		if _, err := s.Read(); !errors.As(err, &closed) || closed.Code != CodeDropped {
			t.Fatal(err)
		}
	})
}

func TestSocketTooBig(t *testing.T) {
	for _, deflate := range []int{-1, 1} {
		t.Run(fmt.Sprintf("deflate=%d", deflate), func(t *testing.T) {
			told := make(chan error, 1)
			url := serve(t, UpgradeOptions{Limits: Limits{Deflate: deflate}}, func(s *Socket) {
				s.Write(context.Background(), make([]byte, 3000), false)
				s.Write(context.Background(), make([]byte, 300000), false)
				_, err := s.Read()
				told <- err
			})
			s := dialTest(t, url, DialOptions{Limits: Limits{Message: 3000, Deflate: deflate}})
			if frame, err := s.Read(); err != nil || len(frame) != 3000 {
				t.Fatal(len(frame), err)
			}
			var big *TooBigError
			if _, err := s.Read(); !errors.As(err, &big) || big.Limit != 3000 {
				t.Fatal(err)
			}
			s.Close(CodeNormal, "")
			var closed *CloseError
			if err := <-told; !errors.As(err, &closed) || closed.Code != CodeTooBig {
				t.Fatal(err)
			}
		})
	}
}

func TestSocketBackPressure(t *testing.T) {
	release := make(chan struct{})
	var frames int
	read := make(chan struct{})
	s := dialTest(t, serve(t, UpgradeOptions{}, func(s *Socket) {
		defer close(read)
		<-release
		for {
			if _, err := s.Read(); err != nil {
				return
			}
			frames++
		}
	}), DialOptions{Limits: Limits{Queue: 100_000, Deflate: -1}})
	ctx, cancel := context.WithCancelCause(t.Context())
	frame := make([]byte, 50_000)
	sent := 0
	full := make(chan struct{})
	errEnough := errors.New("enough")
	go func() { <-full; cancel(errEnough) }()
	for {
		if len(full) == 0 && sent == 4 {
			// The kernel takes some megabytes; then a Write must wait, and end with ctx.
			close(full)
		}
		if err := s.Write(ctx, frame, false); err != nil {
			if err != errEnough {
				t.Fatal(err)
			}
			break
		}
		sent++
	}
	if err := s.Write(ctx, []byte("pong"), true); err != nil {
		t.Fatal("an urgent frame waited:", err)
	}
	close(release)
	s.Close(CodeNormal, "")
	<-read
	if frames != sent+1 {
		t.Fatalf("sent %d and one urgent frame, %d arrived", sent, frames)
	}
}

// TestSocketCloseDespiteDeafPeer closes while the other side neither reads nor says
// farewell: Close gives up after its second.
func TestSocketCloseDespiteDeafPeer(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	url := serve(t, UpgradeOptions{}, func(s *Socket) {
		<-release
		s.Close(CodeDrop, "")
	})
	defer close(release)
	s, err := Dial(t.Context(), url, DialOptions{Limits: Limits{Queue: 50_000}})
	if err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	stuck := make(chan error, 1)
	writers.Go(func() {
		for {
			if err := s.Write(context.Background(), make([]byte, 50_000), false); err != nil {
				stuck <- err
				return
			}
		}
	})
	writers.Go(func() { s.Read() })
	s.Close(CodeNormal, "")
	if err := <-stuck; err != ErrClosed {
		t.Error(err)
	}
	writers.Wait()
}

// TestSocketProtocolError meets a frame that is no WebSocket frame.
func TestSocketProtocolError(t *testing.T) {
	told := make(chan error, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		ws.NetConn().Write([]byte{0xff, 0x00, 'x'})
		_, _, err = ws.ReadMessage()
		told <- err
	}))
	defer srv.Close()
	s := dialTest(t, "ws"+strings.TrimPrefix(srv.URL, "http"), DialOptions{})
	if _, err := s.Read(); err == nil || !strings.Contains(err.Error(), "websocket: ") {
		t.Fatal(err)
	}
	s.Close(CodeNormal, "")
	if err := <-told; !websocket.IsCloseError(err, websocket.CloseProtocolError) {
		t.Fatal(err)
	}
}

func TestSocketIgnoresBinary(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		ws.WriteMessage(websocket.BinaryMessage, []byte("binary"))
		ws.WriteMessage(websocket.PingMessage, []byte("p"))
		ws.WriteMessage(websocket.TextMessage, []byte("text"))
		ws.ReadMessage()
	}))
	defer srv.Close()
	s := dialTest(t, "ws"+strings.TrimPrefix(srv.URL, "http"), DialOptions{})
	if frame, err := s.Read(); err != nil || string(frame) != "text" {
		t.Fatalf("%q, %v", frame, err)
	}
	s.Close(CodeNormal, "")
}

// TestSocketLendsItsBuffer shows that who keeps a frame keeps the next one.
func TestSocketLendsItsBuffer(t *testing.T) {
	s := dialTest(t, serve(t, UpgradeOptions{}, func(s *Socket) {
		s.Write(context.Background(), []byte("first"), false)
		s.Write(context.Background(), []byte("other"), false)
		s.Read()
	}), DialOptions{})
	first, _ := s.Read()
	if _, err := s.Read(); err != nil || string(first) != "other" {
		t.Fatalf("%q, %v", first, err)
	}
}
