package wire

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/gorilla/websocket"
)

// slowConn is a connection whose writes wait for the test.
type slowConn struct {
	net.Conn
	begun chan string   // what a write was given
	goOn  chan struct{} // lets it end
}

func (c *slowConn) Write(p []byte) (int, error) {
	c.begun <- string(p)
	<-c.goOn
	return len(p), nil
}

func TestCorkGathers(t *testing.T) {
	var out bytes.Buffer
	var writes []int
	c := &cork{Conn: recordConn{out: &out, sizes: &writes}}
	var want strings.Builder
	put := func(p string) {
		want.WriteString(p)
		if n, err := c.Write([]byte(p)); n != len(p) || err != nil {
			t.Fatal(n, err)
		}
	}
	put("direct")
	c.hold()
	for i := range 20000 {
		put(fmt.Sprintf("frame %d;", i))
	}
	put(strings.Repeat("x", 2*corkSize))
	put("last")
	if err := c.release(); err != nil {
		t.Fatal(err)
	}
	c.hold()
	if err := c.release(); err != nil {
		t.Fatal(err)
	}
	if out.String() != want.String() {
		t.Error("the bytes differ")
	}
	if len(writes) > 8 {
		t.Errorf("%d writes: %v", len(writes), writes)
	}
}

type recordConn struct {
	net.Conn
	out   *bytes.Buffer
	sizes *[]int
}

func (c recordConn) Write(p []byte) (int, error) {
	*c.sizes = append(*c.sizes, len(p))
	return c.out.Write(p)
}

// TestCorkLate writes control frames while the peer does not read: they do not wait,
// they are bounded, and they go out after what was under way.
func TestCorkLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := &slowConn{begun: make(chan string), goOn: make(chan struct{})}
		c := &cork{Conn: conn}
		c.hold()
		c.Write([]byte("held"))
		released := make(chan error)
		go func() { released <- c.release() }()
		if got := <-conn.begun; got != "held" {
			t.Fatal(got)
		}
		for range lateSize {
			if n, err := c.Write([]byte("pong")); n != 4 || err != nil {
				t.Fatal(n, err)
			}
		}
		conn.goOn <- struct{}{}
		if got := <-conn.begun; got != strings.Repeat("pong", lateSize/4) {
			t.Fatalf("%d bytes late", len(got))
		}
		conn.goOn <- struct{}{}
		if err := <-released; err != nil {
			t.Fatal(err)
		}
	})
}

// TestFrameSizes sends frames around every size that is written in another way,
// between two ends of which one is the library's.
func TestFrameSizes(t *testing.T) {
	sizes := []int{0, 1, 125, 126, 127, 1023, 1024, 4096, maxOwnFrame - 1, maxOwnFrame, maxOwnFrame + 1, corkSize, 3 * corkSize}
	for _, deflate := range []int{-1, 0} {
		limits := Limits{Deflate: deflate}
		s := dialTest(t, serve(t, UpgradeOptions{Limits: limits}, func(s *Socket) {
			for _, n := range sizes {
				if err := s.Write(t.Context(), bytes.Repeat([]byte{'x'}, n), false); err != nil {
					t.Error(err)
				}
			}
			s.Read() // until the other end has all
		}), DialOptions{Limits: limits})
		for _, n := range sizes {
			if frame, err := s.Read(); err != nil || len(frame) != n || strings.Trim(string(frame), "x") != "" {
				t.Fatalf("%d bytes sent, %d received: %v", n, len(frame), err)
			}
		}
	}
}

// TestNothingAfterFarewell: once a close frame is on its way, no other is put behind it.
func TestNothingAfterFarewell(t *testing.T) {
	var out bytes.Buffer
	var writes []int
	c := &cork{Conn: recordConn{out: &out, sizes: &writes}}
	c.hold()
	if err := c.frame([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	c.part()
	if err := c.frame([]byte("more")); err != websocket.ErrCloseSent {
		t.Error(err)
	}
	if err := c.release(); err != nil {
		t.Fatal(err)
	}
	if out.String() != "\x81\x05hello" {
		t.Errorf("%q", out.String())
	}
}
