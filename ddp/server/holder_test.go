package server_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/internal/wire"
	"github.com/replicad/replicad/ddp/server"
)

// holder is a client that holds on to its session: when its connection is lost it
// quotes session and count, and sends again what it has no answer to.
type holder struct {
	t     *testing.T
	srv   *server.Server
	frame func(side int, frame []byte) (time.Duration, bool) // the fate of a frame

	mu       sync.Mutex // guards the rest
	end      *client.PipeEnd
	session  string
	count    int
	sessions int // how often it began anew
	next     int
	docs     map[string]map[string]ejson.Value // by collection/id
	subs     map[string]string                 // id to name
	unsubs   map[string]bool                   // asked for and not answered
	ready    map[string]bool
	calls    map[string]ddp.Method // without a result
	updated  map[string]bool
	results  map[string]int
	user     string
	wg       sync.WaitGroup
}

func newHolder(t *testing.T, srv *server.Server, frame func(int, []byte) (time.Duration, bool)) *holder {
	return &holder{t: t, srv: srv, frame: frame, docs: make(map[string]map[string]ejson.Value), subs: make(map[string]string),
		unsubs: make(map[string]bool), ready: make(map[string]bool), calls: make(map[string]ddp.Method),
		updated: make(map[string]bool), results: make(map[string]int)}
}

// dial connects, and says everything that is outstanding. A connection that it had is
// left to rot: nothing that is under way on it may arrive any more, since what a
// client says on two sockets has no order.
func (h *holder) dial() {
	a, b := client.Pipe(client.PipeOptions{Frame: h.frame})
	h.wg.Go(func() { h.srv.Serve(context.Background(), b) })
	h.mu.Lock()
	h.end = a
	h.sendLocked(ddp.Connect{Version: "1", Support: []string{"1"}, Session: h.session, ReceivedCount: h.count})
	ids := slices.SortedFunc(maps.Keys(h.calls), func(x, y string) int { return len(x)*100 + strings.Compare(x, y) - len(y)*100 })
	for _, id := range ids {
		h.sendLocked(h.calls[id])
	}
	for _, id := range slices.Sorted(maps.Keys(h.subs)) {
		h.sendLocked(ddp.Sub{ID: id, Name: h.subs[id]})
	}
	for id := range h.unsubs {
		h.sendLocked(ddp.Unsub{ID: id})
	}
	h.mu.Unlock()
	h.wg.Go(func() { h.read(a) })
}

func (h *holder) sendLocked(m ddp.Message) {
	if h.end != nil {
		h.end.Write(context.Background(), ddp.Append(nil, m), false) // lost if it is lost
	}
}

func (h *holder) read(end *client.PipeEnd) {
	for {
		frame, err := end.Read()
		h.mu.Lock()
		if err != nil || end != h.end {
			mine := end == h.end
			if mine {
				h.end = nil
			}
			h.mu.Unlock()
			end.Close(wire.CodeNormal, "")
			if mine { // an old socket of its own took the session away, or it was kicked
				time.Sleep(10 * time.Millisecond)
				h.dial()
			}
			return
		}
		m, err := ddp.Decode(frame)
		if err != nil {
			h.t.Errorf("%s: %v", frame, err)
		}
		switch m := m.(type) {
		case ddp.Ping:
			h.sendLocked(ddp.Pong(m))
		case ddp.Pong:
		case ddp.Connected:
			if m.Session == h.session {
				h.count++
				break
			}
			h.session, h.count = m.Session, 1
			h.sessions++
			h.user = ""
			clear(h.docs)
			clear(h.ready)
			clear(h.updated)
		default:
			h.count++
			h.apply(m)
		}
		h.mu.Unlock()
	}
}

// apply believes nothing: what a server may not say is a fault.
func (h *holder) apply(m ddp.Message) {
	key := func(collection string, id ejson.ID) string { return collection + "/" + id.String() }
	switch m := m.(type) {
	case ddp.Added:
		k := key(m.Collection, m.ID)
		if h.docs[k] != nil {
			h.t.Errorf("added twice: %s", k)
		}
		h.docs[k] = maps.Collect(m.Fields.Fields())
	case ddp.Changed:
		k := key(m.Collection, m.ID)
		if h.docs[k] == nil {
			h.t.Errorf("changed, and not there: %s", k)
			return
		}
		for name, v := range m.Fields.Fields() {
			if h.docs[k][name].Same(v) {
				h.t.Errorf("changed %s.%s to what it is", k, name)
			}
			h.docs[k][name] = v
		}
		for _, name := range m.Cleared {
			if h.docs[k][name].IsMissing() {
				h.t.Errorf("cleared %s.%s, which is not there", k, name)
			}
			delete(h.docs[k], name)
		}
	case ddp.Removed:
		k := key(m.Collection, m.ID)
		if h.docs[k] == nil {
			h.t.Errorf("removed, and not there: %s", k)
		}
		delete(h.docs, k)
	case ddp.Ready:
		for _, id := range m.Subs {
			h.ready[id] = true
		}
	case ddp.Nosub:
		if m.Err != nil {
			h.t.Errorf("nosub: %v", m.Err)
		}
		delete(h.unsubs, m.ID)
	case ddp.Updated:
		h.updated[m.Methods[0]] = true
	case ddp.Result:
		if m.Err != nil || !h.updated[m.ID] {
			h.t.Errorf("result of %s: %v, updated: %v", m.ID, m.Err, h.updated[m.ID])
		}
		if call := h.calls[m.ID]; call.Name == "login" {
			h.user = call.Params.At(0).Str()
		}
		h.results[m.ID]++
		delete(h.calls, m.ID)
	default:
		h.t.Errorf("got %s", ddp.Append(nil, m))
	}
}

func (h *holder) call(name string, params ...any) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.next++
	m := ddp.Method{ID: fmt.Sprint("m", h.next), Name: name, Params: ejson.MakeArray(params...)}
	h.calls[m.ID] = m
	h.sendLocked(m)
	return m.ID
}

func (h *holder) sub(name string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.next++
	id := fmt.Sprintf("s%04d", h.next)
	h.subs[id] = name
	h.sendLocked(ddp.Sub{ID: id, Name: name})
	return id
}

func (h *holder) unsub(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.subs, id)
	delete(h.ready, id)
	h.unsubs[id] = true
	h.sendLocked(ddp.Unsub{ID: id})
}

// cut loses the connection.
func (h *holder) cut() {
	h.mu.Lock()
	end := h.end
	h.end = nil
	h.mu.Unlock()
	if end != nil {
		end.Cut()
	}
}

// check compares what it has with what the world would show, and its calls with what
// was done.
func (h *holder) check(w *world, done map[string]int) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	p := &person{t: h.t, subs: h.subs, user: h.user, ready: make(map[string]bool), docs: make(map[string]map[string]ejson.Value)}
	for k, d := range h.docs {
		p.docs[strings.TrimPrefix(k, "c/")] = d
	}
	for id := range h.subs {
		if h.ready[id] {
			p.ready[id] = true
		}
	}
	p.check(w)
	if len(h.calls) > 0 || len(h.unsubs) > 0 {
		h.t.Errorf("without an answer: calls %v, unsubs %v", h.calls, h.unsubs)
	}
	for id, n := range h.results {
		if n != 1 {
			h.t.Errorf("%d results of %s", n, id)
		}
	}
	if h.sessions == 1 {
		for id, n := range done {
			if n != 1 {
				h.t.Errorf("%s was made %d times", id, n)
			}
		}
	}
}
