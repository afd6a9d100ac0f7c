package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/ejson"
)

const (
	// loadOutstanding is how many calls of one client may be unanswered: beyond, calls
	// are held back, and counted as that.
	loadOutstanding = 1000
	// loadDrain is how long the last answers are waited for.
	loadDrain = 5 * time.Second
)

// load is one run of bench: clients that subscribe, and calls that are made when due.
type load struct {
	flags    benchFlags
	options  client.Options
	subs     []subscription
	method   subscription
	embedded bool
	took     time.Duration // from the beginning of the run to the end of the load

	connects, readies, calls, seen histogram

	connected, lost                           atomic.Int64
	sent, answered, refused, heldBack, unsent atomic.Int64
	added, changed, removed                   atomic.Int64
	bytesIn, bytesOut                         atomic.Int64

	mu      sync.Mutex // guards the rest
	clients []*loadClient
	errs    map[string]int
}

// loadClient is one of the clients.
type loadClient struct {
	number int
	conn   *client.Conn
	done   chan *client.Call
	over   chan struct{} // closed when no more answers are waited for

	mu  sync.Mutex // guards due
	due map[*client.Call]time.Time
}

// run puts the load on until it is over, or ctx is done.
func (l *load) run(ctx context.Context, stderr io.Writer) {
	l.errs = map[string]int{}
	begin := time.Now()
	total := l.flags.ramp + l.flags.duration
	asked := ctx
	ctx, cancel := context.WithDeadline(ctx, begin.Add(total))
	defer cancel()
	var wg, collectors sync.WaitGroup
	for i := range l.flags.clients {
		wg.Go(func() {
			at := begin.Add(time.Duration(float64(l.flags.ramp) * float64(i) / float64(l.flags.clients)))
			if sleepUntil(ctx, at) {
				l.client(ctx, i, &collectors)
			}
		})
	}
	if l.method.name != "" {
		wg.Go(func() { l.pace(ctx, begin) })
	}
	wg.Go(func() { l.tell(ctx, stderr, begin) })
	wg.Wait()
	l.drain(asked)
	l.took = time.Since(begin)
	for _, c := range l.clients {
		wg.Go(func() {
			_ = c.conn.Disconnect()
			st := c.conn.Stats()
			l.bytesIn.Add(int64(st.BytesIn))
			l.bytesOut.Add(int64(st.BytesOut))
			close(c.over)
		})
	}
	wg.Wait()
	collectors.Wait()
}

// drain waits for the last answers, unless ctx is done.
func (l *load) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, loadDrain)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for _, c := range l.clients {
		for c.outstanding() > 0 {
			select {
			case <-tick.C:
			case <-c.conn.Done():
			case <-ctx.Done():
				return
			}
			if c.conn.Err() != nil {
				break
			}
		}
	}
}

// sleepUntil waits, and reports whether it is that time; false: ctx was done first.
func sleepUntil(ctx context.Context, at time.Time) bool {
	wait := time.Until(at)
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// client connects, subscribes, and stays until the load is over.
func (l *load) client(ctx context.Context, number int, collectors *sync.WaitGroup) {
	options := l.options
	var ready atomic.Bool // before that documents come that are older than the client
	options.Events = &client.Events{
		Added: func(m ddp.Added) {
			l.added.Add(1)
			if ready.Load() {
				l.stamped(m.Fields)
			}
		},
		Changed: func(m ddp.Changed) { l.changed.Add(1); l.stamped(m.Fields) },
		Removed: func(ddp.Removed) { l.removed.Add(1) },
	}
	begin := time.Now()
	conn, err := client.Dial(ctx, l.flags.url, options)
	if err != nil {
		l.fault("connect", ctx, err)
		return
	}
	l.connects.add(time.Since(begin))
	l.connected.Add(1)
	c := &loadClient{number: number, conn: conn, done: make(chan *client.Call, loadOutstanding), over: make(chan struct{}), due: map[*client.Call]time.Time{}}
	collectors.Go(func() { l.collect(c) })
	l.mu.Lock()
	l.clients = append(l.clients, c)
	l.mu.Unlock()
	for _, sub := range l.subs {
		begin := time.Now()
		held, err := conn.Subscribe(ctx, sub.name, l.fill(sub.params, number, 0)...)
		if err == nil {
			err = held.Wait(ctx)
		}
		if err != nil {
			l.fault("subscribe "+sub.name, ctx, err)
			continue
		}
		l.readies.add(time.Since(begin))
	}
	ready.Store(true)
	select {
	case <-ctx.Done():
	case <-conn.Done():
		l.lost.Add(1)
		l.fault("connection lost", ctx, conn.Err())
	}
}

func (c *loadClient) outstanding() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.due)
}

// fault counts an error; not one that is only the end of the load.
func (l *load) fault(what string, ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	text := what + ": " + err.Error()
	if len(l.errs) < 100 || l.errs[text] > 0 {
		l.errs[text]++
	}
}

// firstError tells the error that came most often.
func (l *load) firstError() string {
	list := l.faults()
	if len(list) == 0 {
		return "the load was over before it did"
	}
	return list[0].text
}

type loadFault struct {
	text string
	n    int
}

// faults returns what went wrong, what went wrong most often first.
func (l *load) faults() []loadFault {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []loadFault
	for text, n := range l.errs {
		list = append(list, loadFault{text, n})
	}
	slices.SortFunc(list, func(a, b loadFault) int {
		if a.n != b.n {
			return b.n - a.n
		}
		if a.text < b.text {
			return -1
		}
		return 1
	})
	return list
}

// dueAt returns when call k is due after the beginning, counted from 0: at a rate that
// rises evenly during the ramp, and is even after it.
func (f *benchFlags) dueAt(k int) time.Duration {
	ramp := f.ramp.Seconds()
	inRamp := f.rate * ramp / 2
	if n := float64(k); n < inRamp {
		return time.Duration(math.Sqrt(2*n*ramp/f.rate) * float64(time.Second))
	}
	return time.Duration((ramp + (float64(k)-inRamp)/f.rate) * float64(time.Second))
}

// pace makes each call when it is due, by the clients in turn.
func (l *load) pace(ctx context.Context, begin time.Time) {
	for k := 0; ; k++ {
		due := begin.Add(l.flags.dueAt(k))
		if !sleepUntil(ctx, due) {
			return
		}
		l.mu.Lock()
		var c *loadClient
		if n := len(l.clients); n > 0 {
			c = l.clients[k%n]
		}
		l.mu.Unlock()
		switch {
		case c == nil:
			l.unsent.Add(1) // nobody is there yet
		case c.outstanding() >= loadOutstanding:
			l.heldBack.Add(1)
		default:
			l.sent.Add(1)
			params := l.fill(l.method.params, c.number, k)
			c.mu.Lock() // so that collect finds what it is given
			c.due[c.conn.Go(l.method.name, c.done, params...)] = due
			c.mu.Unlock()
		}
	}
}

// collect takes the answers of one client.
func (l *load) collect(c *loadClient) {
	for {
		var call *client.Call
		select {
		case call = <-c.done:
		case <-c.over:
			return
		}
		now := time.Now()
		c.mu.Lock()
		due := c.due[call]
		delete(c.due, call)
		c.mu.Unlock()
		var refused *ddp.Error
		switch {
		case call.Err == nil:
			l.answered.Add(1)
			l.calls.add(now.Sub(due))
		case errors.As(call.Err, &refused):
			l.refused.Add(1)
			l.calls.add(now.Sub(due))
			l.fault("call", context.Background(), call.Err)
		default: // the connection ended: it has no answer
		}
	}
}

// stamped measures how long a document took to be seen.
func (l *load) stamped(fields ejson.Doc) {
	if l.flags.stamp == "" {
		return
	}
	if v := fields.Field(l.flags.stamp); v.Kind() == ejson.Number {
		l.seen.add(time.Duration(float64(time.Now().UnixMicro())-v.Number()) * time.Microsecond)
	}
}

// fill puts values in the place of the names that params may have.
func (l *load) fill(list ejson.Array, number, n int) []any {
	out := make([]any, 0, list.Len())
	for _, v := range list.All() {
		out = append(out, l.fillValue(v, number, n))
	}
	return out
}

func (l *load) fillValue(v ejson.Value, number, n int) ejson.Value {
	switch v.Kind() {
	case ejson.String:
		switch v.Str() {
		case "$n":
			return ejson.NumberValue(float64(n))
		case "$client":
			return ejson.NumberValue(float64(number))
		case "$id":
			return ejson.StringValue(ddp.NewID())
		case "$doc":
			return ejson.StringValue(benchDoc(n, l.flags.docs))
		case "$now":
			return ejson.NumberValue(float64(time.Now().UnixMicro()))
		}
	case ejson.Object:
		var b ejson.Builder
		for name, inner := range v.Doc().Fields() {
			b.Add(name, l.fillValue(inner, number, n))
		}
		return b.Doc().Value()
	case ejson.List:
		var b ejson.ListBuilder
		for _, inner := range v.Array().All() {
			b.Append(l.fillValue(inner, number, n))
		}
		return b.Array().Value()
	}
	return v
}

// tell says every other second how it goes.
func (l *load) tell(ctx context.Context, w io.Writer, begin time.Time) {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		fmt.Fprintf(w, "%4.0fs  %s, %s ready, %s answered, %s refused of %s, p50 %v, p99 %v\n", time.Since(begin).Seconds(),
			plural(int(l.connected.Load()-l.lost.Load()), "client"),
			plural(int(l.readies.count()), "subscription"),
			thousands(int(l.answered.Load())), thousands(int(l.refused.Load())), plural(int(l.sent.Load()), "call"),
			round(l.calls.quantile(0.5)), round(l.calls.quantile(0.99)))
	}
}
