package sync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/store"
)

func TestMain(m *testing.M) {
	if url, path, ok := strings.Cut(os.Getenv(crashChild), " "); ok {
		crash(url, path)
	}
	goleak.VerifyTestMain(m)
}

// scene is a replica and the test in the place of its server, in a bubble.
type scene struct {
	t      *testing.T
	conns  chan *peer // one for each dial that was let through
	refuse error      // what dials get instead; set while the replica sleeps
	dials  []time.Time

	sessions int // begun by accept
	r        *Replica

	mu     sync.Mutex
	events []string // of the store: one string a commit

	// after live: one subscription named s, ready, and its connection
	s   *Subscription
	sub map[string]any
	p   *peer
}

// inScene runs a test in a bubble.
func inScene(t *testing.T, fn func(t *testing.T, sc *scene)) {
	synctest.Test(t, func(t *testing.T) {
		fn(t, &scene{t: t, conns: make(chan *peer, 100)})
	})
}

func quietLog() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// open opens the replica.
func (sc *scene) open(change ...func(*Options)) *Replica {
	sc.t.Helper()
	opts := Options{Logger: quietLog()}
	opts.Client.Dial = sc.dial
	opts.Client.Heartbeat = -1
	for _, fn := range change {
		fn(&opts)
	}
	r, err := Open(sc.t.Context(), "ws://test.example", opts)
	if err != nil {
		sc.t.Fatal(err)
	}
	sc.t.Cleanup(func() { r.Close() })
	sc.r = r
	sc.told()
	r.Store().Tail("", func(c *store.Commit) {
		if e := describe(c); e != "" {
			sc.mu.Lock()
			sc.events = append(sc.events, e)
			sc.mu.Unlock()
		}
	})
	return r
}

func describe(c *store.Commit) string {
	var words []string
	for _, ch := range c.Changes {
		switch {
		case strings.HasPrefix(ch.Collection, reserved):
		case ch.Before.IsZero():
			words = append(words, "+"+ch.ID.String())
		case ch.After.IsZero():
			words = append(words, "-"+ch.ID.String())
		default:
			words = append(words, "~"+ch.ID.String())
		}
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

func (sc *scene) dial(ctx context.Context, url string) (client.Transport, error) {
	sc.mu.Lock()
	sc.dials = append(sc.dials, time.Now())
	sc.mu.Unlock()
	if sc.refuse != nil {
		return nil, sc.refuse
	}
	ours, theirs := client.Pipe(client.PipeOptions{})
	p := &peer{t: sc.t, end: theirs, frames: make(chan string, 10_000)}
	sc.t.Cleanup(func() { theirs.Close(1000, "") })
	go p.pump()
	sc.conns <- p
	return ours, nil
}

// dialed returns the times of all dials.
func (sc *scene) dialed() []time.Time {
	synctest.Wait()
	sc.mu.Lock()
	defer sc.mu.Unlock()
	return slices.Clone(sc.dials)
}

// accept waits for the replica to dial, and answers its connect.
func (sc *scene) accept() *peer {
	sc.t.Helper()
	p := <-sc.conns
	p.want(`{"msg":"connect","version":"1","support":["1","pre2","pre1"]}`)
	sc.sessions++
	p.send(fmt.Sprintf(`{"msg":"connected","session":"s%d"}`, sc.sessions))
	return p
}

// cut loses the connection, and waits for the next one.
func (sc *scene) cut(p *peer) *peer {
	sc.t.Helper()
	synctest.Wait() // what was sent arrives
	p.end.Cut()
	return sc.accept()
}

// live opens a replica with a subscription that is ready with these documents.
func (sc *scene) live(ids ...string) {
	sc.t.Helper()
	sc.open()
	sc.p = sc.accept()
	sc.s = sc.subscribe("s")
	sc.sub = sc.p.wantSub("s")
	for _, id := range ids {
		sc.p.added(id, 1)
	}
	sc.p.ready(sc.sub)
	sc.isReady(sc.s, true)
	sc.told()
}

// again loses the connection, and takes the subscription of live on the next one.
func (sc *scene) again(p *peer) *peer {
	sc.t.Helper()
	next := sc.cut(p)
	next.same(sc.sub, next.wantSub("s"))
	return next
}

// seen checks what the observers of the store were told since the last call:
// "+a" for a document added, "~a" changed, "-a" removed; one string a commit.
func (sc *scene) seen(want ...string) {
	sc.t.Helper()
	if got := sc.told(); !slices.Equal(got, want) {
		sc.t.Errorf("observers were told %q, want %q", got, want)
	}
}

// told returns what seen checks.
func (sc *scene) told() []string {
	synctest.Wait()
	sc.mu.Lock()
	defer sc.mu.Unlock()
	got := sc.events
	sc.events = nil
	return got
}

// has checks the documents of a collection, in order.
func (sc *scene) has(collection string, want ...string) {
	sc.t.Helper()
	synctest.Wait()
	var got []string
	for _, doc := range sc.r.Store().Snapshot().Each(collection) {
		got = append(got, doc.String())
	}
	if !slices.Equal(got, want) {
		sc.t.Errorf("%s has\n%s\nwant\n%s", collection, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// phase checks the phase.
func (sc *scene) phase(want Phase) Status {
	sc.t.Helper()
	synctest.Wait()
	st := sc.r.Status()
	if st.Phase != want {
		sc.t.Errorf("phase %v (%v), want %v", st.Phase, st.Err, want)
	}
	return st
}

// subscribe subscribes.
func (sc *scene) subscribe(name string, params ...any) *Subscription {
	sc.t.Helper()
	sub, err := sc.r.Subscribe(name, params...)
	if err != nil {
		sc.t.Fatal(err)
	}
	return sub
}

// isReady checks whether the subscription is ready now, and with what error.
func (sc *scene) isReady(sub *Subscription, want bool) {
	sc.t.Helper()
	synctest.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := sub.Ready(ctx)
	if got := err == nil; got != want {
		sc.t.Errorf("ready: %v (%v), want %v", got, err, want)
	}
}

// outcome is what a call came to.
type outcome struct {
	value any
	err   error
}

// call calls a method on a goroutine of its own.
func (sc *scene) call(m Method) *outcome {
	o := &outcome{err: errPending}
	go func() {
		v, err := sc.r.Invoke(context.Background(), m)
		o.value, o.err = v.Any(), err
	}()
	synctest.Wait()
	return o
}

var errPending = errors.New("pending")

func (sc *scene) came(o *outcome, value any, err error) {
	sc.t.Helper()
	synctest.Wait()
	if !errors.Is(o.err, err) || err == nil && !reflect.DeepEqual(o.value, value) {
		sc.t.Errorf("call gave %v (%v), want %v (%v)", o.value, o.err, value, err)
	}
}

// peer is the server's end of one connection.
type peer struct {
	t      *testing.T
	end    *client.PipeEnd
	frames chan string
	kept   []string // frames that a server has kept for a session; set before it is taken up
}

func (p *peer) pump() {
	defer close(p.frames)
	for {
		b, err := p.end.Read()
		if err != nil {
			return
		}
		if id, ok := strings.CutPrefix(string(b), `{"msg":"unsub","id":"`+replayPrefix); ok {
			p.send(p.kept...)
			p.send(`{"msg":"nosub","id":"` + replayPrefix + strings.TrimSuffix(id, `}`) + `}`)
			continue
		}
		p.frames <- string(b)
	}
}

// send sends frames.
func (p *peer) send(frames ...string) {
	p.t.Helper()
	for _, f := range frames {
		if err := p.end.Write(context.Background(), []byte(f), false); err != nil {
			p.t.Fatal(err)
		}
	}
}

// added sends a document with one field, n.
func (p *peer) added(id string, n int) {
	p.t.Helper()
	p.send(fmt.Sprintf(`{"msg":"added","collection":"items","id":%q,"fields":{"n":%d}}`, id, n))
}

// ready sends ready for the sub messages.
func (p *peer) ready(subs ...map[string]any) {
	p.t.Helper()
	for _, s := range subs {
		p.send(fmt.Sprintf(`{"msg":"ready","subs":[%q]}`, s["id"]))
	}
}

func (p *peer) updated(methods ...map[string]any) {
	p.t.Helper()
	for _, m := range methods {
		p.send(fmt.Sprintf(`{"msg":"updated","methods":[%q]}`, m["id"]))
	}
}

func (p *peer) result(m map[string]any, rest string) {
	p.t.Helper()
	p.send(fmt.Sprintf(`{"msg":"result","id":%q%s}`, m["id"], rest))
}

// want reads the next frame, and checks the fields that are named.
func (p *peer) want(frame string) map[string]any {
	p.t.Helper()
	var want map[string]any
	if err := json.Unmarshal([]byte(frame), &want); err != nil {
		p.t.Fatal(err)
	}
	text, ok := <-p.frames
	if !ok {
		p.t.Fatalf("the connection ended, want %s", frame)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		p.t.Fatal(err)
	}
	for k, v := range want {
		if !reflect.DeepEqual(got[k], v) {
			p.t.Fatalf("replica sent %s, want %s", text, frame)
		}
	}
	return got
}

func (p *peer) wantSub(name string) map[string]any {
	p.t.Helper()
	return p.want(fmt.Sprintf(`{"msg":"sub","name":%q}`, name))
}

func (p *peer) wantMethod(name string) map[string]any {
	p.t.Helper()
	return p.want(fmt.Sprintf(`{"msg":"method","method":%q}`, name))
}

// quiet checks that the replica has sent nothing more.
func (p *peer) quiet() {
	p.t.Helper()
	synctest.Wait()
	select {
	case f, ok := <-p.frames:
		if ok {
			p.t.Errorf("replica sent %s, want nothing", f)
		}
	default:
	}
}

// lives answers the question for a sign of life.
func (p *peer) lives() {
	p.t.Helper()
	p.send(fmt.Sprintf(`{"msg":"nosub","id":%q}`, p.want(`{"msg":"unsub"}`)["id"]))
}

// same checks that two sub or method messages are one, sent twice.
func (p *peer) same(a, b map[string]any) {
	p.t.Helper()
	if !reflect.DeepEqual(a, b) {
		p.t.Errorf("sent again as %v, was %v", b, a)
	}
}
