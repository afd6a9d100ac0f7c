package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestPipeOrderAndDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		a, b := Pipe(PipeOptions{Frame: func(side int, frame []byte) (time.Duration, bool) {
			switch {
			case side == 1:
				return 0, false
			case bytes.Equal(frame, []byte("lost")):
				return 0, true
			case bytes.Equal(frame, []byte("slow")):
				return time.Second, false
			}
			return 10 * time.Millisecond, false
		}})
		for _, s := range []string{"one", "lost", "slow", "three"} {
			if err := a.Write(t.Context(), []byte(s), false); err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range []struct {
			frame string
			at    time.Duration
		}{{"one", 10 * time.Millisecond}, {"slow", time.Second}, {"three", time.Second}} {
			got, err := b.Read()
			if err != nil || string(got) != want.frame || time.Since(start) != want.at {
				t.Fatalf("%q at %v, %v; want %v", got, time.Since(start), err, want)
			}
		}
		go b.Write(t.Context(), []byte("back"), false)
		if got, err := a.Read(); err != nil || string(got) != "back" {
			t.Fatalf("%q, %v", got, err)
		}
	})
}

func TestPipeCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(PipeOptions{Queue: 10})
		ends := make(chan error, 2)
		a.Write(t.Context(), []byte("0123456789"), false)
		go func() { // waits for room
			ends <- a.Write(t.Context(), []byte("x"), false)
		}()
		go func() {
			_, err := a.Read()
			ends <- err
		}()
		synctest.Wait()
		if len(ends) != 0 {
			t.Fatal("did not wait:", <-ends)
		}
		b.Cut()
		for range 2 {
			if err := <-ends; err != ErrCut {
				t.Fatal(err)
			}
		}
		if _, err := b.Read(); err != ErrCut {
			t.Fatal("a frame survived the cut:", err)
		}
		a.Cut()
		a.Close(CodeNormal, "")
		b.Close(CodeNormal, "")
	})
}

func TestPipeClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(PipeOptions{})
		a.Write(t.Context(), []byte("last"), false)
		a.Close(4000, "enough")
		if got, err := b.Read(); err != nil || string(got) != "last" {
			t.Fatalf("%q, %v", got, err)
		}
		var closed *CloseError
		if _, err := b.Read(); !errors.As(err, &closed) || closed.Code != 4000 || closed.Text != "enough" {
			t.Fatal(err)
		}
		if err := b.Write(t.Context(), []byte("x"), false); !errors.As(err, &closed) {
			t.Fatal(err)
		}
		if _, err := a.Read(); err != ErrClosed {
			t.Fatal(err)
		}
		if err := a.Write(t.Context(), []byte("x"), true); err != ErrClosed {
			t.Fatal(err)
		}
		if err := b.Close(CodeNormal, ""); err != nil {
			t.Fatal(err)
		}

		a, b = Pipe(PipeOptions{})
		a.Write(t.Context(), []byte("lost"), false)
		a.Close(CodeDrop, "")
		if _, err := b.Read(); !errors.As(err, &closed) || closed.Code != CodeDropped {
			t.Fatal(err)
		}
	})
}

func TestPipeBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(PipeOptions{Queue: 100})
		done := 0
		go func() {
			for range 10 {
				a.Write(t.Context(), make([]byte, 30), false)
				done++
			}
		}()
		synctest.Wait()
		if done != 3 {
			t.Fatalf("%d frames of 30 bytes went into a queue of 100", done)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := a.Write(ctx, make([]byte, 80), false); err != context.DeadlineExceeded {
			t.Fatal(err)
		}
		if err := a.Write(ctx, []byte("!"), true); err != nil {
			t.Fatal(err)
		}
		for range 11 {
			if _, err := b.Read(); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if done != 10 {
			t.Fatal(done)
		}
	})
}

func ExamplePipe() {
	a, b := Pipe(PipeOptions{})
	a.Write(context.Background(), []byte(`{"msg":"ping"}`), false)
	frame, err := b.Read()
	fmt.Println(string(frame), err)
	a.Cut()
	_, err = b.Read()
	fmt.Println(err)
	// Output:
	// {"msg":"ping"} <nil>
	// wire: pipe cut
}
