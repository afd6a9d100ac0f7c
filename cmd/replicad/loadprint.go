package main

import (
	"bytes"
	"fmt"
	"io"

	"github.com/replicad/replicad/ddp/ejson"
)

// unanswered is how many calls were sent and never answered.
func (l *load) unanswered() int64 { return l.sent.Load() - l.answered.Load() - l.refused.Load() }

// print tells the figures to people.
func (l *load) print(out io.Writer) error {
	var w bytes.Buffer
	target := l.flags.url
	if l.embedded {
		target += ", in this process, with " + plural(l.flags.docs, "document")
	}
	fmt.Fprintf(&w, "server     %s\n", target)
	fmt.Fprintf(&w, "clients    %s of %s connected, %s lost\n",
		thousands(int(l.connected.Load())), thousands(l.flags.clients), thousands(int(l.lost.Load())))
	seconds := l.took.Seconds()
	fmt.Fprintf(&w, "documents  %s added, %s changed, %s removed; %.1f MB in, %.1f MB out\n",
		thousands(int(l.added.Load())), thousands(int(l.changed.Load())), thousands(int(l.removed.Load())),
		float64(l.bytesIn.Load())/1e6, float64(l.bytesOut.Load())/1e6)
	if l.method.name != "" {
		fmt.Fprintf(&w, "calls      %s in %v (%s/s wanted): %s answered, %s refused, %s unanswered, %s held back\n",
			thousands(int(l.sent.Load())), round(l.took), thousands(int(l.flags.rate)),
			thousands(int(l.answered.Load())), thousands(int(l.refused.Load())), thousands(int(l.unanswered())), thousands(int(l.heldBack.Load())))
		fmt.Fprintf(&w, "           %s/s answered over the whole run, the ramp of %v included\n",
			thousands(int(float64(l.answered.Load())/seconds)), l.flags.ramp)
	}
	fmt.Fprintf(&w, "\n%-10s %12s", "", "count")
	for _, q := range quantiles {
		fmt.Fprintf(&w, " %9s", q.name)
	}
	fmt.Fprintf(&w, " %9s\n", "max")
	l.connects.row(&w, "connect")
	l.readies.row(&w, "ready")
	l.calls.row(&w, "call")
	l.seen.row(&w, "seen")
	switch {
	case l.calls.count() > 0:
		fmt.Fprintln(&w, "\ncall")
		l.calls.bars(&w, 50)
	case l.readies.count() > 0:
		fmt.Fprintln(&w, "\nready")
		l.readies.bars(&w, 50)
	}
	if list := l.faults(); len(list) > 0 {
		fmt.Fprintln(&w, "\nwhat went wrong")
		for _, f := range list[:min(10, len(list))] {
			fmt.Fprintf(&w, "  %s×  %s\n", thousands(f.n), printable(f.text))
		}
	}
	_, err := out.Write(w.Bytes())
	return err
}

// doc tells the figures to programs. Times are in microseconds.
func (l *load) doc() ejson.Doc {
	count := func(b *ejson.Builder, name string, n int64) { b.Add(name, ejson.NumberValue(float64(n))) }
	var b, clients, docs, calls, times, faults ejson.Builder
	b.Add("server", ejson.StringValue(l.flags.url))
	b.Add("embedded", ejson.BoolValue(l.embedded))
	b.Add("seconds", ejson.NumberValue(l.took.Seconds()))
	count(&clients, "wanted", int64(l.flags.clients))
	count(&clients, "connected", l.connected.Load())
	count(&clients, "lost", l.lost.Load())
	b.Add("clients", clients.Doc().Value())
	count(&docs, "added", l.added.Load())
	count(&docs, "changed", l.changed.Load())
	count(&docs, "removed", l.removed.Load())
	count(&docs, "bytesIn", l.bytesIn.Load())
	count(&docs, "bytesOut", l.bytesOut.Load())
	b.Add("documents", docs.Doc().Value())
	calls.Add("rate", ejson.NumberValue(l.flags.rate))
	count(&calls, "sent", l.sent.Load())
	count(&calls, "answered", l.answered.Load())
	count(&calls, "refused", l.refused.Load())
	count(&calls, "unanswered", l.unanswered())
	count(&calls, "heldBack", l.heldBack.Load())
	b.Add("calls", calls.Doc().Value())
	times.Add("connect", l.connects.doc().Value())
	times.Add("ready", l.readies.doc().Value())
	times.Add("call", l.calls.doc().Value())
	times.Add("seen", l.seen.doc().Value())
	b.Add("micros", times.Doc().Value())
	for _, f := range l.faults() {
		count(&faults, f.text, int64(f.n))
	}
	b.Add("errors", faults.Doc().Value())
	return b.Doc()
}
