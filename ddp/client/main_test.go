package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quiet is a server's log of handshakes that are meant to fail.
var quiet = log.New(io.Discard, "", 0)

var silent = slog.New(slog.NewTextHandler(io.Discard, nil))

// serveSocket runs handle for every WebSocket that is opened, and returns the URL.
func serveSocket(t testing.TB, handle func(t Transport)) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := wire.Upgrade(w, r, wire.UpgradeOptions{})
		if err != nil {
			return
		}
		defer s.Close(wire.CodeNormal, "")
		handle(s)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// pipes gives Options.Dial pipes whose other ends are run by handle. wait waits for
// all of them.
func pipes(opts PipeOptions, handle func(t *PipeEnd)) (dial func(context.Context, string) (Transport, error), wait func()) {
	var wg sync.WaitGroup
	return func(context.Context, string) (Transport, error) {
		a, b := Pipe(opts)
		wg.Go(func() {
			handle(b)
			b.Close(wire.CodeNormal, "")
		})
		return a, nil
	}, wg.Wait
}

// accept is a server's half of the handshake; it returns the client's connect.
func accept(t Transport) (ddp.Connect, error) {
	frame, err := t.Read()
	if err != nil {
		return ddp.Connect{}, err
	}
	m, err := ddp.Decode(frame)
	if err != nil {
		return ddp.Connect{}, err
	}
	c, ok := m.(ddp.Connect)
	if !ok {
		return c, errors.New("not a connect: " + string(frame))
	}
	return c, say(t, ddp.Connected{Session: "session"})
}

func say(t Transport, ms ...ddp.Message) error {
	for _, m := range ms {
		if err := t.Write(context.Background(), ddp.Append(nil, m), false); err != nil {
			return err
		}
	}
	return nil
}

// untilEnd reads and drops what comes.
func untilEnd(t Transport) error {
	for {
		if _, err := t.Read(); err != nil {
			return err
		}
	}
}

func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// dump writes messages as their text, one a line.
func dump(ms ...ddp.Message) string {
	var b []byte
	for _, m := range ms {
		b = append(ddp.Append(b, m), '\n')
	}
	return strings.TrimSpace(string(b))
}
