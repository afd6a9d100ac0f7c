package sync

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// badLine is a link in front of a server that cuts connections again and again, in the
// midst of a frame too, holds messages back, and sends some of the client's twice.
type badLine struct {
	to string // HOST:PORT of the server

	mu  sync.Mutex // guards rng
	rng *rand.Rand
}

// newBadLine returns the address of one. It ends with the test.
func newBadLine(t *testing.T, rng *rand.Rand, url string) string {
	l := &badLine{to: strings.TrimPrefix(url, "http://"), rng: rng}
	web := httptest.NewServer(l)
	t.Cleanup(web.Close)
	return web.URL
}

// draw returns a number below n.
func (l *badLine) draw(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rng.IntN(n)
}

// ServeHTTP passes on the messages of a WebSocket.
func (l *badLine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	far, _, err := websocket.DefaultDialer.DialContext(r.Context(), "ws://"+l.to+"/websocket", nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	near, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		far.Close()
		return
	}
	most := 10 + l.draw(400) // messages of one way
	if l.draw(4) == 0 {
		most = 1 << 30 // so that large things get through, too
	}
	var both sync.WaitGroup
	both.Go(func() { l.pass(far, near, most, true) })
	l.pass(near, far, most, false)
	both.Wait()
}

// pass passes on one way, and then cuts both.
func (l *badLine) pass(to, from *websocket.Conn, most int, calls bool) {
	defer from.Close()
	defer to.Close()
	for ; most > 0; most-- {
		kind, text, err := from.ReadMessage()
		if err != nil {
			return
		}
		if l.draw(50) == 0 {
			<-time.After(time.Duration(l.draw(20)) * time.Millisecond)
		}
		times := 1
		if calls && (bytes.HasPrefix(text, []byte(`{"msg":"method"`)) || bytes.HasPrefix(text, []byte(`{"msg":"sub"`))) && l.draw(5) == 0 {
			times = 2
		}
		for range times {
			if to.WriteMessage(kind, text) != nil {
				return
			}
		}
	}
	if l.draw(2) == 0 {
		_, _ = to.UnderlyingConn().Write([]byte{0x81, 0x7e, 0x01}) // the head of a frame
	}
}
