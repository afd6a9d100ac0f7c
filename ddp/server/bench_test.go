package server

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
)

// benchDocs are documents of some 300 bytes of text with the given number of
// differing contents.
func benchDocs(n int) []ejson.Doc {
	docs := make([]ejson.Doc, n)
	for i := range docs {
		d, err := ejson.Parse(fmt.Appendf(nil, `{"_id":"doc%014d","author":"author%d","room":"room%d","text":%q,"ts":{"$date":%d},`+
			`"score":%d.5,"tags":["red","green","blue"],"n":%d,"nested":{"a":{"b":%d},"likes":%d},"flag":true}`,
			i, i%1000, i%100, strings.Repeat("lorem ipsum ", 8), 1700000000000+i, i%777, i, i%1000, i%50))
		if err != nil {
			panic(err)
		}
		docs[i] = d
	}
	return docs
}

// BenchmarkMergeBoxAdd adds 100,000 documents to a fresh view, without writing the
// messages.
func BenchmarkMergeBoxAdd(b *testing.B) {
	docs := benchDocs(100_000)
	b.ReportAllocs()
	for b.Loop() {
		v := newView()
		h := v.hold("docs")
		var d delta
		for _, doc := range docs {
			h.add(doc.ID(), doc, &d)
		}
	}
	perDoc(b, len(docs))
}

// BenchmarkMergeBoxAddEncoded is BenchmarkMergeBoxAdd with the messages.
func BenchmarkMergeBoxAddEncoded(b *testing.B) {
	docs := benchDocs(100_000)
	b.ReportAllocs()
	for b.Loop() {
		v := newView()
		h := v.hold("docs")
		var d delta
		var buf []byte
		for _, doc := range docs {
			h.add(doc.ID(), doc, &d)
			buf = d.append(buf[:0])
		}
	}
	perDoc(b, len(docs))
}

// BenchmarkMergeBoxAddShared adds 100,000 documents that another subscription has
// already, with the same fields.
func BenchmarkMergeBoxAddShared(b *testing.B) {
	docs := benchDocs(100_000)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		v := newView()
		first, second := v.hold("docs"), v.hold("docs")
		var d delta
		for _, doc := range docs {
			first.add(doc.ID(), doc, &d)
		}
		b.StartTimer()
		for _, doc := range docs {
			second.add(doc.ID(), doc, &d)
		}
	}
	perDoc(b, len(docs))
}

// BenchmarkMergeBoxChange changes one field of one of 100,000 documents, message
// included.
func BenchmarkMergeBoxChange(b *testing.B) {
	for _, holders := range []int{1, 2} {
		b.Run(fmt.Sprintf("holders=%d", holders), func(b *testing.B) {
			docs := benchDocs(100_000)
			v := newView()
			var d delta
			var h *holding
			for range holders {
				next := v.hold("docs")
				if h == nil {
					h = next
				}
				for _, doc := range docs {
					next.add(doc.ID(), doc, &d)
				}
			}
			sets := make([]ejson.Doc, 1000)
			for i := range sets {
				sets[i] = ejson.Make().WithValue("n", ejson.NumberValue(float64(-i)))
			}
			var buf []byte
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				h.change(docs[i*7919%len(docs)].ID(), sets[i%len(sets)], nil, &d)
				buf = d.append(buf[:0])
			}
		})
	}
}

// BenchmarkMergeBoxEnd ends a subscription of 100,000 documents.
func BenchmarkMergeBoxEnd(b *testing.B) {
	docs := benchDocs(100_000)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		v := newView()
		h := v.hold("docs")
		var d delta
		for _, doc := range docs {
			h.add(doc.ID(), doc, &d)
		}
		var buf []byte
		b.StartTimer()
		v.end(h, &d, func(d *delta) { buf = d.append(buf[:0]) })
	}
	perDoc(b, len(docs))
}

func perDoc(b *testing.B, docs int) {
	n := float64(b.N) * float64(docs)
	b.ReportMetric(n/b.Elapsed().Seconds(), "docs/s")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/n, "ns/doc")
}

// sink is a transport that takes everything and sends the frames of script.
type sink struct {
	script [][]byte
	ready  chan struct{} // closed when the last frame was taken
	last   string        // the prefix of the last frame
	bytes  int64
	closed chan struct{}
}

func (s *sink) Read() ([]byte, error) {
	if len(s.script) > 0 {
		f := s.script[0]
		s.script = s.script[1:]
		return f, nil
	}
	<-s.closed
	return nil, io.EOF
}

func (s *sink) Write(_ context.Context, frame []byte, _ bool) error {
	s.bytes += int64(len(frame))
	if len(frame) >= len(s.last) && string(frame[:len(s.last)]) == s.last {
		close(s.ready)
	}
	return nil
}

func (s *sink) Close(int, string) error {
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	return nil
}

// BenchmarkSubscribe is a whole subscription of 100,000 documents, from sub to
// ready: merge box, messages, outbox and writer, but no network.
func BenchmarkSubscribe(b *testing.B) {
	docs := benchDocs(100_000)
	var srv Server
	srv.Publish("all", func(_ context.Context, p *Publication) error {
		for _, d := range docs {
			p.Added("docs", d)
		}
		return nil
	})
	b.ReportAllocs()
	var bytes int64
	for b.Loop() {
		t := &sink{
			script: [][]byte{[]byte(`{"msg":"connect","version":"1","support":["1"]}`), []byte(`{"msg":"sub","id":"s","name":"all","params":[]}`)},
			ready:  make(chan struct{}), last: `{"msg":"ready"`, closed: make(chan struct{}),
		}
		done := make(chan struct{})
		go func() { srv.Serve(context.Background(), t); close(done) }()
		<-t.ready
		b.StopTimer()
		bytes = t.bytes
		t.Close(0, "")
		<-done
		b.StartTimer()
	}
	b.ReportMetric(float64(bytes)/float64(len(docs)), "B/message")
	perDoc(b, len(docs))
}

// BenchmarkCall is one method call on a session, from frame to answer, one after
// the other.
func BenchmarkCall(b *testing.B) {
	var srv Server
	srv.Method("echo", func(_ context.Context, c *Call) (any, error) { return c.Params.At(0), nil })
	t := &callSink{frames: make(chan []byte), answered: make(chan struct{}), closed: make(chan struct{})}
	done := make(chan struct{})
	go func() { srv.Serve(context.Background(), t); close(done) }()
	t.frames <- []byte(`{"msg":"connect","version":"1","support":["1"]}`)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		t.frames <- fmt.Appendf(nil, `{"msg":"method","id":"%d","method":"echo","params":["hello"]}`, i)
		<-t.answered
	}
	close(t.closed)
	<-done
}

// callSink is a transport for calls one by one.
type callSink struct {
	frames           chan []byte
	answered, closed chan struct{}
}

func (s *callSink) Read() ([]byte, error) {
	select {
	case f := <-s.frames:
		return f, nil
	case <-s.closed:
		return nil, io.EOF
	}
}

func (s *callSink) Write(_ context.Context, frame []byte, _ bool) error {
	if strings.HasPrefix(string(frame[:14]), `{"msg":"result`) {
		s.answered <- struct{}{}
	}
	return nil
}

func (s *callSink) Close(int, string) error { return nil }
