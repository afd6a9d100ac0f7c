package sync

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/replicad/replicad/ddp/ejson"
)

// TestReplay plays the server's side of recordings, most of them of a Meteor
// server, to a replica that is made to do what the recorded client did. The replica
// must send the same, in the same order, come to the same results, and end with the
// documents that the recording implies.
func TestReplay(t *testing.T) {
	files, err := filepath.Glob("testdata/replay/*.jsonl")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d recordings (%v)", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".jsonl")
		t.Run(name, func(t *testing.T) {
			lines := readRecording(t, file)
			conns := 9
			switch {
			case strings.HasPrefix(name, "client-"):
				conns = 1 // these clients forget their subscriptions with the connection
			case name == "session-resume-attempt":
				conns = 2 // the others are open at the same time
			}
			lines = slices.DeleteFunc(lines, func(l line) bool { return l.Conn > conns })
			inScene(t, func(t *testing.T, sc *scene) {
				p := &player{scene: sc, how: replayed[name], subs: map[string]*playedSub{}, wire: map[string]*wireSub{}, calls: map[string]*playedCall{}}
				p.play(lines)
			})
		})
	}
}

// replayed says what a recording does not show of its client.
var replayed = map[string]struct {
	wait, noRetry []string            // methods called with these options, by id
	early         map[string][]string // on the call of one, these were called too
}{
	"meteor-client-wait":     {wait: []string{"4"}, early: map[string][]string{"2": {"3", "4", "5", "6"}}},
	"meteor-client-inflight": {noRetry: []string{"3"}},
}

// line is one line of a recording.
type line struct {
	Conn  int
	Dir   string
	Event string
	Msg   json.RawMessage

	msg message
}

// message is what the player must know of a message.
type message struct {
	Msg        string
	ID         any
	Name       string
	Method     any
	Params     json.RawMessage
	Subs       []string
	Methods    []string
	Collection string
	Fields     json.RawMessage
	Cleared    []string
	Result     json.RawMessage
	Error      *struct {
		Error any
	}
}

func readRecording(t *testing.T, file string) (lines []line) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
		var l line
		if err := json.Unmarshal(b, &l); err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		_ = json.Unmarshal(l.Msg, &l.msg) // what is no message has no msg
		lines = append(lines, l)
	}
	return lines
}

type playedSub struct {
	conn   int // the last one it was sent on
	sub    *Subscription
	wire   *wireSub
	want   message
	ready  bool
	ended  bool
	refuse any // error code of nosub
}

// wireSub is what equal subscriptions share.
type wireSub struct {
	id   string // of ours
	subs int
}

type playedCall struct {
	conn int
	id   string
	want message
	out  *outcome
	done bool // has been answered
}

type player struct {
	*scene
	how struct {
		wait, noRetry []string
		early         map[string][]string
	}
	lines  []line
	peer   *peer
	due    []func() // frames of the replica that the recording has, not yet read
	subs   map[string]*playedSub
	wire   map[string]*wireSub
	calls  map[string]*playedCall
	model  map[string]map[string]map[string]ejson.Value
	ended  []*playedCall
	played int
}

func (p *player) play(lines []line) {
	p.lines = lines
	p.open()
	for _, l := range lines {
		if p.t.Failed() {
			return
		}
		id, _ := l.msg.ID.(string)
		switch {
		case l.Event == "close":
			p.end()
		case l.Dir == "c>s" && l.msg.Msg == "connect":
			p.peer = <-p.conns
			p.peer.want(`{"msg":"connect"}`)
			p.model = map[string]map[string]map[string]ejson.Value{}
		case l.Dir == "c>s" && l.msg.Msg == "sub" && id != "" && l.msg.Name != "":
			p.clientSub(l, id)
		case l.Dir == "c>s" && l.msg.Msg == "unsub":
			p.clientUnsub(id)
		case l.Dir == "c>s" && l.msg.Msg == "method" && id != "":
			p.clientCall(l, id)
		case l.Dir == "s>c":
			if l.msg.Msg != "connected" {
				p.catchUp()
			}
			p.server(l, id)
		}
	}
	p.end()
	if p.played < 2 {
		p.t.Errorf("%d messages of the server were played", p.played)
	}
}

// catchUp reads what the replica should have sent by now.
func (p *player) catchUp() {
	synctest.Wait()
	due := p.due
	p.due = nil
	for _, read := range due {
		read()
	}
	p.peer.quiet()
}

func paramsOf(text json.RawMessage) (ejson.Array, []any, error) {
	if text == nil {
		return ejson.Array{}, nil, nil
	}
	v, err := ejson.ParseValue(text)
	if err != nil || v.Kind() != ejson.List {
		return ejson.Array{}, nil, fmt.Errorf("no params: %v", err)
	}
	var list []any
	for _, e := range v.Array().All() {
		list = append(list, e)
	}
	return v.Array(), list, nil
}

// sent reads a frame, checks that it is the one of the recording, and returns its id.
func (p *player) sent(kind, name string, params ejson.Array) string {
	p.t.Helper()
	text, ok := <-p.peer.frames
	if !ok {
		p.t.Fatal("the connection ended")
	}
	var got struct {
		Msg, ID, Name, Method string
		Params                json.RawMessage
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		p.t.Fatal(err)
	}
	if got.Msg != kind || got.Name+got.Method != name || string(got.Params) != string(params.Value().AppendJSON(nil)) {
		p.t.Fatalf("replica sent %s, the recording has %s %s %v", text, kind, name, params)
	}
	return got.ID
}

func (p *player) clientSub(l line, id string) {
	params, list, err := paramsOf(l.msg.Params)
	if err != nil {
		return // nothing that a replica would send
	}
	s := p.subs[id]
	if s != nil && s.conn == l.Conn && !s.ended {
		return // sent twice
	}
	if s == nil || s.ended {
		sub, err := p.r.Subscribe(l.msg.Name, list...)
		if err != nil {
			p.t.Fatal(err)
		}
		key := subKey(l.msg.Name, params)
		w := p.wire[key]
		if w == nil || w.subs == 0 {
			w = &wireSub{}
			p.wire[key] = w
		}
		w.subs++
		s = &playedSub{sub: sub, wire: w, want: l.msg}
		p.subs[id] = s
		if w.subs > 1 {
			s.conn = l.Conn
			return
		}
	}
	s.conn = l.Conn
	p.due = append(p.due, func() { s.wire.id = p.sent("sub", l.msg.Name, params) })
}

func (p *player) clientUnsub(id string) {
	s := p.subs[id]
	if s == nil || s.ended {
		return
	}
	p.catchUp()
	s.sub.Stop()
	s.ended = true
	if s.wire.subs--; s.wire.subs == 0 {
		p.due = append(p.due, func() { p.peer.want(fmt.Sprintf(`{"msg":"unsub","id":%q}`, s.wire.id)) })
	}
}

func (p *player) clientCall(l line, id string) {
	name, ok := l.msg.Method.(string)
	params, list, err := paramsOf(l.msg.Params)
	if !ok || err != nil || bytes.Contains(l.Msg, []byte(`"randomSeed":5`)) {
		return
	}
	c := p.calls[id]
	if c == nil || c.out == nil || c.conn == l.Conn && c.done || c.conn != l.Conn && c.done {
		c = &playedCall{want: l.msg}
		p.calls[id] = c
		p.ended = append(p.ended, c)
		c.out = p.call(Method{Name: name, Params: list, Wait: slices.Contains(p.how.wait, id), NoRetry: slices.Contains(p.how.noRetry, id)})
		for _, other := range p.how.early[id] {
			p.callEarly(other)
		}
	}
	c.conn = l.Conn
	p.due = append(p.due, func() { c.id = p.sent("method", name, params) })
}

// callEarly calls a method whose line comes later.
func (p *player) callEarly(id string) {
	for _, l := range p.lines {
		if l.Dir == "c>s" && l.msg.Msg == "method" && l.msg.ID == id {
			_, list, _ := paramsOf(l.msg.Params)
			c := &playedCall{conn: l.Conn, want: l.msg}
			c.out = p.call(Method{Name: l.msg.Method.(string), Params: list, Wait: slices.Contains(p.how.wait, id)})
			p.calls[id] = c
			p.ended = append(p.ended, c)
			return
		}
	}
	p.t.Fatalf("no method %s", id)
}

// server plays a message of the server, with our ids in the place of the recorded.
func (p *player) server(l line, id string) {
	m := l.msg
	text := string(l.Msg)
	swap := func(old, new string) {
		text = strings.Replace(text, fmt.Sprintf("%q", old), fmt.Sprintf("%q", new), 1)
	}
	switch m.Msg {
	case "ready":
		for _, id := range m.Subs {
			if s := p.subs[id]; s != nil {
				s.ready = true
				swap(id, s.wire.id)
			}
		}
	case "nosub":
		if s := p.subs[id]; s != nil {
			if s.ended && s.wire.subs > 0 {
				return // an equal one lives
			}
			if !s.ended {
				s.ended = true
				s.wire.subs--
			}
			if m.Error != nil {
				s.refuse = m.Error.Error
			}
			swap(id, s.wire.id)
		}
	case "result":
		if c := p.calls[id]; c != nil {
			swap(id, c.id)
			c.done, c.want.Result, c.want.Error = true, m.Result, m.Error
		}
	case "updated":
		for _, id := range m.Methods {
			if c := p.calls[id]; c != nil {
				swap(id, c.id)
			}
		}
	case "added", "changed", "removed":
		p.learn(m, id)
	}
	p.played++
	p.peer.send(text)
}

// learn applies a data message to the model.
func (p *player) learn(m message, id string) {
	docs := p.model[m.Collection]
	if docs == nil {
		docs = map[string]map[string]ejson.Value{}
		p.model[m.Collection] = docs
	}
	if m.Msg == "removed" {
		delete(docs, id)
		return
	}
	if docs[id] == nil {
		docs[id] = map[string]ejson.Value{}
	}
	if m.Fields != nil {
		fields, err := ejson.Parse(m.Fields)
		if err != nil {
			p.t.Fatal(err)
		}
		for name, v := range fields.Fields() {
			docs[id][name] = v
		}
	}
	if m.Msg == "changed" {
		for _, name := range m.Cleared {
			delete(docs[id], name)
		}
	}
}
