package sync

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
)

// TestReplaySessions plays recordings of a Meteor server in which the client logs in, or
// comes back to a session: the replica must send the same, the login first and what is
// sent again under its old id, and come to the same documents and results. In the connections of
// refused the client of the recording quotes what a replica never would, so there only
// the server's answer is played: another session.
func TestReplaySessions(t *testing.T) {
	for _, test := range []struct {
		file  string
		conns []int
		early map[int][]string // when a connection ends, these are called: ids
		count bool             // receivedCount must be as recorded
		want  []string         // documents at the end
	}{
		{file: "meteor-client-login", conns: []int{1, 2}, early: map[int][]string{1: {"2"}},
			want: []string{`me {"_id":"anon","anon":true}`, `universal {"_id":"u","hello":"world","userId":null}`}},
		{file: "resume35-success", conns: []int{1, 2, 3}, early: map[int][]string{1: {"2"}}, count: true,
			want: []string{`ticks {"_id":"t","n":12}`}},
		{file: "resume35-client-live", conns: []int{1, 2}, count: true, want: []string{`ticks {"_id":"t","n":8}`}},
		{file: "resume35-method-resent", conns: []int{1, 2}, count: true},
		{file: "resume35-refused", conns: []int{1, 2}, want: []string{`merge {"_id":"z","a":1}`}},
		{file: "resume35-refused", conns: []int{7, 8}, count: true},
		{file: "resume35-refused", conns: []int{9, 10}, count: true, want: []string{`ticks {"_id":"t","n":5}`}},
		{file: "resume35-refused", conns: []int{11, 12}, count: true},
	} {
		t.Run(fmt.Sprint(test.file, test.conns), func(t *testing.T) {
			lines := readRecording(t, "testdata/sessions/"+test.file+".jsonl")
			inScene(t, func(t *testing.T, sc *scene) {
				p := &comeback{scene: sc, early: test.early, count: test.count, ids: map[string]string{}, sub: map[string]*Subscription{}, results: map[string]*outcome{}, want: map[string]string{}}
				p.lines = slices.DeleteFunc(lines, func(l line) bool { return !slices.Contains(test.conns, l.Conn) })
				p.play()
				p.check(test.want)
			})
		})
	}
}

// comeback plays such a recording.
type comeback struct {
	*scene
	lines   []line
	peer    *peer
	early   map[int][]string
	count   bool
	due     []dueFrame        // what the replica should send
	ids     map[string]string // ours, by the id in the recording
	ahead   []dueFrame        // what it has sent, and the recording has not yet
	sub     map[string]*Subscription
	results map[string]*outcome // of calls, by the id in the recording
	want    map[string]string
	logged  bool
	replays int // ends of what was kept, that the peer has told
}

// dueFrame is a sub or method message of the recording.
type dueFrame struct{ kind, name, id string }

func (p *comeback) play() {
	p.open()
	for _, l := range p.lines {
		id, _ := l.msg.ID.(string)
		switch {
		case l.Event == "close":
			p.settle()
			p.peer.end.Cut()
			synctest.Wait()
			for _, id := range p.early[l.Conn] {
				p.invoke(p.find(id))
			}
		case l.Dir == "c>s" && l.msg.Msg == "connect":
			p.peer = <-p.conns
			connect := p.peer.want(`{"msg":"connect"}`)
			var was map[string]any
			if err := json.Unmarshal(l.Msg, &was); err != nil {
				p.t.Fatal(err)
			}
			if p.count {
				if n, ok := was["receivedCount"].(float64); ok {
					was["receivedCount"] = n + float64(p.replays)
				}
				if connect["session"] != was["session"] || connect["receivedCount"] != was["receivedCount"] {
					p.t.Errorf("replica sent %v, the recording has %s", connect, l.Msg)
				}
			}
		case l.Dir == "c>s" && l.msg.Msg == "sub":
			p.clientSub(l, id)
		case l.Dir == "c>s" && l.msg.Msg == "method":
			p.clientCall(l, id)
		case l.Dir == "s>c":
			p.server(l, id)
		}
	}
	p.settle()
	if len(p.due) > 0 {
		p.t.Errorf("replica did not send %v", p.due)
	}
	for _, a := range p.ahead {
		if a.kind == "method" {
			p.t.Errorf("replica sent the method %s, which the recording has not", a.name)
		}
	}
}

// settle reads what the replica has sent.
func (p *comeback) settle() {
	p.t.Helper()
	synctest.Wait()
	for len(p.peer.frames) > 0 {
		var got struct{ Msg, ID, Name, Method string }
		text := <-p.peer.frames
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			p.t.Fatal(err)
		}
		at := slices.IndexFunc(p.due, func(d dueFrame) bool { return d.kind == got.Msg && d.name == got.Name+got.Method })
		login := slices.IndexFunc(p.due, func(d dueFrame) bool { return d.name == "login" })
		if login >= 0 && (at < 0 || at > login) {
			p.t.Fatalf("replica sent %s before the login", text)
		}
		if at < 0 { // the client of the recording does so later, or, which a script need not, never
			p.ahead = append(p.ahead, dueFrame{got.Msg, got.Name + got.Method, got.ID})
			continue
		}
		p.met(p.due[at], got.ID)
		p.due = slices.Delete(p.due, at, at+1)
	}
	p.due = slices.DeleteFunc(p.due, func(d dueFrame) bool {
		at := slices.IndexFunc(p.ahead, func(a dueFrame) bool { return d.kind == a.kind && d.name == a.name })
		if at >= 0 {
			p.met(d, p.ahead[at].id)
			p.ahead = slices.Delete(p.ahead, at, at+1)
		}
		return at >= 0
	})
}

// met notes by what id of ours the recording's goes.
func (p *comeback) met(d dueFrame, id string) {
	if was := p.ids[d.id]; was != "" && was != id && d.name != "login" {
		p.t.Errorf("%s %s again as %s", d.name, was, id)
	}
	p.ids[d.id] = id
}

func (p *comeback) find(id string) line {
	for _, l := range p.lines {
		if l.Dir == "c>s" && l.msg.Msg == "method" && l.msg.ID == id {
			return l
		}
	}
	p.t.Fatalf("no method %s", id)
	return line{}
}

func (p *comeback) clientSub(l line, id string) {
	p.due = append(p.due, dueFrame{"sub", l.msg.Name, id})
	if _, again := p.sub[id]; !again {
		p.sub[id] = p.subscribe(l.msg.Name, p.params(l)...)
	}
}

func (p *comeback) params(l line) (list []any) {
	_, list, err := paramsOf(l.msg.Params)
	if err != nil {
		p.t.Fatal(err)
	}
	return list
}

// invoke calls the method of a line.
func (p *comeback) invoke(l line) {
	id := l.msg.ID.(string)
	p.results[id] = p.call(Method{Name: l.msg.Method.(string), Params: p.params(l)})
}

func (p *comeback) clientCall(l line, id string) {
	name := l.msg.Method.(string)
	p.due = append(p.due, dueFrame{"method", name, id})
	switch {
	case name == "login" && !p.logged:
		p.logged = true
		token := Token(l.msg.Params[len(`[{"resume":"`) : len(l.msg.Params)-len(`"}]`)])
		go func() {
			if _, err := p.r.Login(context.Background(), token); err != nil {
				p.t.Error(err)
			}
		}()
	case name == "logout":
		go p.r.Logout(context.Background())
	case name != "login" && p.results[id] == nil:
		p.invoke(l)
	}
	synctest.Wait()
}

func (p *comeback) server(l line, id string) {
	text := string(l.Msg)
	if l.msg.Msg == "connected" {
		if strings.Contains(text, p.was()) && p.was() != "" {
			p.replays++
		}
	} else {
		p.settle()
		for was, is := range p.ids {
			text = strings.Replace(text, fmt.Sprintf("%q", was), fmt.Sprintf("%q", is), 1)
		}
	}
	if l.msg.Msg == "result" && p.results[id] != nil && p.want[id] == "" {
		p.want[id] = string(l.msg.Result)
	}
	p.peer.send(text)
	time.Sleep(flushIdle)
}

// was returns the session that the replica goes on from.
func (p *comeback) was() (session string) {
	p.r.do(context.Background(), func(l *loop) { session = l.at.Session })
	return session
}

func (p *comeback) check(want []string) {
	synctest.Wait()
	var got []string
	snap := p.r.Store().Snapshot()
	for _, name := range snap.Collections() {
		for _, doc := range snap.Each(name) {
			if !strings.HasPrefix(name, reserved) {
				got = append(got, name+" "+doc.String())
			}
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		p.t.Errorf("the replica has %q, want %q", got, want)
	}
	for id, o := range p.results {
		v, err := ejson.ValueOf(o.value)
		if w, werr := ejson.ParseValue([]byte(p.want[id])); err != nil || o.err != nil || werr != nil || !v.Same(w) {
			p.t.Errorf("method %s came to %v (%v), in the recording to %s", id, o.value, o.err, p.want[id])
		}
	}
}
