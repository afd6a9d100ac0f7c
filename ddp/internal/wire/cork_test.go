package wire

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
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
