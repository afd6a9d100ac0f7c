package client

import (
	"context"
	"fmt"
	"sync"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
)

// toy is a small server: one publication, items, of documents that are numbers, and
// methods. It keeps sessions, with all that they were sent and did not confirm, and
// resumes them. Everything happens under one lock.
type toy struct {
	mu       sync.Mutex
	items    map[string]int
	runs     map[string]int // how often each call of inc ran, by its parameter
	sessions map[string]*toySession
	resumes  int
	unsubs   int
}

type toySession struct {
	id      string
	base    int           // what the client has confirmed
	tail    []ddp.Message // what it was sent since
	subs    map[string]bool
	results map[string]ddp.Result
	link    *PipeEnd // nil while it is away
}

func newToy() *toy {
	return &toy{items: map[string]int{}, runs: map[string]int{}, sessions: map[string]*toySession{}}
}

// serve runs one connection.
func (y *toy) serve(p *PipeEnd) {
	frame, err := p.Read()
	if err != nil {
		return
	}
	m, err := ddp.Decode(frame)
	connect, ok := m.(ddp.Connect)
	if err != nil || !ok {
		return
	}
	s := y.attach(connect, p)
	defer y.detach(s, p)
	for {
		frame, err := p.Read()
		if err != nil {
			return
		}
		if m, err := ddp.Decode(frame); err == nil {
			y.handle(s, p, m)
		}
	}
}

func (y *toy) attach(c ddp.Connect, p *PipeEnd) *toySession {
	y.mu.Lock()
	defer y.mu.Unlock()
	s := y.sessions[c.Session]
	if s == nil || c.ReceivedCount < s.base || c.ReceivedCount > s.base+len(s.tail) {
		delete(y.sessions, c.Session)
		s = &toySession{id: ddp.NewID(), subs: map[string]bool{}, results: map[string]ddp.Result{}, link: p}
		y.sessions[s.id] = s
		s.send(ddp.Connected{Session: s.id})
		return s
	}
	y.resumes++
	if s.link != nil {
		s.link.Cut()
	}
	rest := s.tail[c.ReceivedCount-s.base:]
	s.link, s.base, s.tail = p, c.ReceivedCount, nil
	s.send(ddp.Connected{Session: s.id})
	for _, m := range rest {
		s.send(m)
	}
	return s
}

func (y *toy) detach(s *toySession, p *PipeEnd) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if s.link == p {
		s.link = nil
	}
}

// send counts and keeps a message, and sends it if the client is there.
func (s *toySession) send(m ddp.Message) {
	s.tail = append(s.tail, m)
	if s.link != nil {
		s.link.Write(context.Background(), ddp.Append(nil, m), true)
	}
}

func (y *toy) handle(s *toySession, p *PipeEnd, m ddp.Message) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if s.link != p || y.sessions[s.id] != s {
		return
	}
	switch m := m.(type) {
	case ddp.Ping:
		p.Write(context.Background(), ddp.Append(nil, ddp.Pong(m)), true)
	case ddp.Disconnect:
		delete(y.sessions, s.id)
	case ddp.Sub:
		if s.subs[m.ID] {
			return
		}
		if m.Name != "items" {
			s.send(ddp.Nosub{ID: m.ID, Err: ddp.NumericError(404, "Subscription not found")})
			return
		}
		if s.subs[m.ID] = true; len(s.subs) == 1 {
			for id, n := range y.items {
				s.send(ddp.Added{Collection: "items", ID: ejson.StringID(id), Fields: number(n)})
			}
		}
		s.send(ddp.Ready{Subs: []string{m.ID}})
	case ddp.Unsub:
		y.unsubs++
		if delete(s.subs, m.ID); len(s.subs) == 0 {
			for id := range y.items {
				s.send(ddp.Removed{Collection: "items", ID: ejson.StringID(id)})
			}
		}
		s.send(ddp.Nosub{ID: m.ID})
	case ddp.Method:
		result, ok := s.results[m.ID]
		if !ok {
			result = y.run(m)
			s.results[m.ID] = result
		}
		s.send(ddp.Updated{Methods: []string{m.ID}})
		s.send(result)
	}
}

func (y *toy) run(m ddp.Method) ddp.Result {
	switch m.Name {
	case "inc":
		key := m.Params.At(0).Str()
		y.runs[key]++
		y.set("total", y.items["total"]+1)
		return ddp.Result{ID: m.ID, Value: ejson.StringValue(key)}
	case "fail":
		return ddp.Result{ID: m.ID, Err: ddp.NumericError(403, "No")}
	}
	return ddp.Result{ID: m.ID, Err: ddp.NumericError(404, "Method not found")}
}

// set gives an item a number; 0 removes it. The caller holds mu.
func (y *toy) set(id string, n int) {
	old, was := y.items[id]
	var m ddp.Message
	at := ejson.StringID(id)
	switch {
	case n == 0:
		delete(y.items, id)
		m = ddp.Removed{Collection: "items", ID: at}
	case !was:
		m = ddp.Added{Collection: "items", ID: at, Fields: number(n)}
	default:
		m = ddp.Changed{Collection: "items", ID: at, Fields: number(n)}
	}
	if n == old {
		return
	}
	if n != 0 {
		y.items[id] = n
	}
	for _, s := range y.sessions {
		if len(s.subs) > 0 {
			s.send(m)
		}
	}
}

// change is set for those who do not hold the lock.
func (y *toy) change(id string, n int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.set(id, n)
}

// restart forgets all sessions and cuts their connections.
func (y *toy) restart() {
	y.mu.Lock()
	defer y.mu.Unlock()
	for id, s := range y.sessions {
		if s.link != nil {
			s.link.Cut()
		}
		delete(y.sessions, id)
	}
}

func number(n int) ejson.Doc { return ejson.Make(ejson.Field{Name: "n", Value: n}) }

// view is what a client's events make of the items, and complains of events that do
// not fit.
type view struct {
	mu    sync.Mutex
	items map[string]int
	wrong []string
	log   []string
}

func (v *view) events() *Events {
	note := func(ok bool, m ddp.Message) {
		if !ok {
			v.wrong = append(v.wrong, dump(m))
		}
		v.log = append(v.log, ddp.Kind(m))
	}
	return &Events{
		Added: func(m ddp.Added) {
			v.mu.Lock()
			defer v.mu.Unlock()
			_, was := v.items[m.ID.String()]
			note(!was, m)
			v.items[m.ID.String()] = int(m.Fields.Field("n").Number())
		},
		Changed: func(m ddp.Changed) {
			v.mu.Lock()
			defer v.mu.Unlock()
			_, was := v.items[m.ID.String()]
			note(was, m)
			v.items[m.ID.String()] = int(m.Fields.Field("n").Number())
		},
		Removed: func(m ddp.Removed) {
			v.mu.Lock()
			defer v.mu.Unlock()
			_, was := v.items[m.ID.String()]
			note(was, m)
			delete(v.items, m.ID.String())
		},
		Ready: func(m ddp.Ready) {
			v.mu.Lock()
			defer v.mu.Unlock()
			note(true, m)
		},
		Other: func(m ddp.Message) {
			v.mu.Lock()
			defer v.mu.Unlock()
			note(true, m)
		},
	}
}

// begin is for a new session: all items come again.
func (v *view) begin() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.items = map[string]int{}
}

func (v *view) String() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return fmt.Sprint(v.items)
}
