package client

import (
	"context"
	"testing"

	"github.com/replicad/replicad/ddp"
)

// A message of usual size, 340 bytes.
const usual = `{"msg":"added","collection":"messages","id":"Hq7fKz3xWp9TnBv2c","fields":{"room":"room-17","author":"user-0421","text":"The quick brown fox jumps over the lazy dog, again and again, until it rests.","ts":{"$date":1700000123456},"n":123456,"flag":true,"tags":["red","green","blue"],"nested":{"a":{"b":512,"c":"deep"},"list":[1,2,3]},"score":12.5}}`

// BenchmarkReceive is one message from the server's socket to Take.
func BenchmarkReceive(b *testing.B) {
	for _, c := range []struct{ name, text string }{
		{"added", usual},
		{"small", `{"msg":"removed","collection":"messages","id":"Hq7fKz3xWp9TnBv2c"}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			frame := []byte(c.text)
			url := serveSocket(b, func(t Transport) {
				accept(t)
				for t.Write(context.Background(), frame, false) == nil {
				}
			})
			conn, err := Dial(b.Context(), url, Options{Logger: silent})
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			waiting, batches := 0, 0
			for b.Loop() {
				for waiting == 0 {
					<-conn.Ready()
					waiting = len(conn.Take())
					batches++
				}
				waiting--
			}
			b.ReportMetric(float64(b.N)/float64(batches), "messages/batch")
		})
	}
}

// BenchmarkSend is one message from Send to the server's socket.
func BenchmarkSend(b *testing.B) {
	url := serveSocket(b, func(t Transport) {
		accept(t)
		untilEnd(t)
	})
	conn, err := Dial(b.Context(), url, Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	m := ddp.Unsub{ID: "Hq7fKz3xWp9TnBv2c"}
	for b.Loop() {
		if err := conn.Send(context.Background(), m); err != nil {
			b.Fatal(err)
		}
	}
	conn.Close()
}
