package store

import (
	"bytes"
	"fmt"
	"runtime"
)

// lock takes the writer's lock. A goroutine that holds it already, because it is
// within a function given to Update or Tail, gets a panic that says so, where it
// would wait for itself for ever. Nothing is spent on this unless the lock is
// taken.
func (s *Store) lock() {
	if s.mu.TryLock() {
		return
	}
	if s.within() {
		panic(errNested)
	}
	s.mu.Lock()
}

// within reports whether this goroutine's stack has a call of transact on s. Go
// does not tell a program which goroutine it is in, but a traceback names the
// receiver of each call.
func (s *Store) within() bool {
	frame := fmt.Appendf(nil, "store.(*Store).transact(%p", s)
	buf := make([]byte, 16<<10)
	for {
		n := runtime.Stack(buf, false)
		if n < len(buf) || len(buf) >= 1<<20 {
			_, args, found := bytes.Cut(buf[:n], frame)
			// "?" marks an argument that may have changed since; a receiver does not.
			for found && !bytes.HasPrefix(args, []byte(",")) && !bytes.HasPrefix(args, []byte("?")) {
				_, args, found = bytes.Cut(args, frame)
			}
			return found
		}
		buf = make([]byte, 4*len(buf))
	}
}
