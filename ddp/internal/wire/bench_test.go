package wire

import (
	"bytes"
	"context"
	"fmt"
	"testing"
)

// BenchmarkSocketRead is how fast a client takes in what a server sends, over
// loopback: one operation is one frame.
func BenchmarkSocketRead(b *testing.B) {
	for _, size := range []int{20, 340} {
		for _, deflate := range []int{-1, 1} {
			b.Run(fmt.Sprintf("bytes=%d/deflate=%t", size, deflate > 0), func(b *testing.B) {
				limits := Limits{Deflate: deflate}
				frame := bytes.Repeat([]byte(`{"msg":"added",12345`), size/20)
				s := dialTest(b, serve(b, UpgradeOptions{Limits: limits}, func(s *Socket) {
					for {
						if s.Write(context.Background(), frame, false) != nil {
							return
						}
					}
				}), DialOptions{Limits: limits})
				b.SetBytes(int64(len(frame)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := s.Read(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkSocketWrite is how fast a client's frames arrive at a server.
func BenchmarkSocketWrite(b *testing.B) {
	done := make(chan struct{})
	s := dialTest(b, serve(b, UpgradeOptions{}, func(s *Socket) {
		for {
			if _, err := s.Read(); err != nil {
				close(done)
				return
			}
		}
	}), DialOptions{})
	frame := []byte(`{"msg":"method","id":"12"}`)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Write(context.Background(), frame, false); err != nil {
			b.Fatal(err)
		}
	}
	s.Close(CodeNormal, "")
	<-done
}

// BenchmarkPipe is one frame through memory and back.
func BenchmarkPipe(b *testing.B) {
	x, y := Pipe(PipeOptions{})
	go func() {
		for {
			frame, err := y.Read()
			if err != nil {
				return
			}
			y.Write(context.Background(), frame, false)
		}
	}()
	frame := make([]byte, 340)
	b.ReportAllocs()
	for b.Loop() {
		x.Write(context.Background(), frame, false)
		if _, err := x.Read(); err != nil {
			b.Fatal(err)
		}
	}
	x.Close(CodeNormal, "")
}
