//go:build unix

package sync

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestDoOnFullDisk: what cannot be kept is not promised, and nothing of it is shown; when
// there is room again it works again.
func TestDoOnFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "replica.db")
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Skip("no limit on the size of files here:", err)
	}
	defer syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was)
	inScene(t, func(t *testing.T, sc *scene) {
		sc.refuse = errors.New("away")
		sc.open(kept(path))
		sc.stubs()
		insert := func(id string, size int) Method {
			return Method{Name: "insert", Params: []any{map[string]any{"_id": id, "text": strings.Repeat("x", size)}}}
		}
		sc.must(insert("small", 1))
		full := was
		full.Cur = 1 << 20
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full); err != nil {
			t.Fatal(err)
		}
		_, err := sc.r.Do(t.Context(), insert("large", 2<<20))
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("Do: %v", err)
		}
		sc.outbox("insert queued")
		if n := sc.r.Store().Snapshot().Len("items"); n != 1 {
			t.Errorf("%d documents are shown", n)
		}
		if st := sc.r.Status(); st.DiskErr == nil {
			t.Errorf("status %+v", st)
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		sc.must(insert("large", 2<<20))
		sc.outbox("insert queued", "insert queued")
		if st := sc.r.Status(); st.DiskErr != nil {
			t.Errorf("status %+v", st)
		}
	})
}

// TestSquashOnFullDisk: a call that cannot be kept leaves the one whose place it was to
// take, which was promised.
func TestSquashOnFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "replica.db")
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Skip("no limit on the size of files here:", err)
	}
	defer syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was)
	inScene(t, func(t *testing.T, sc *scene) {
		sc.refuse = errors.New("away")
		sc.open(kept(path))
		sc.stubs()
		insert := func(size int) Method {
			return Method{Name: "insert", Params: []any{map[string]any{"_id": "x", "text": strings.Repeat("x", size)}}, Squash: "x"}
		}
		sc.must(insert(1))
		one := sc.must(insert(2))
		full := was
		full.Cur = 1 << 20
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full); err != nil {
			t.Fatal(err)
		}
		for range 2 { // also where it was put again
			if _, err := sc.r.Do(t.Context(), insert(2<<20)); err == nil {
				t.Error("promised")
			}
			sc.outbox("insert queued")
			sc.has("items", `{"_id":"x","text":"xx"}`)
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		sc.refuse = nil
		sc.r.Reconnect()
		m := sc.accept().wantMethod("insert")
		if m["id"] != one.ID() {
			t.Errorf("sent %v", m["id"])
		}
		sc.shadows(1)
	})
}

// TestDoOnFullDiskAtClose: what could not be kept is not promised because the replica is
// closed at that very moment.
func TestDoOnFullDiskAtClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "replica.db")
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Skip("no limit on the size of files here:", err)
	}
	defer syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was)
	inScene(t, func(t *testing.T, sc *scene) {
		sc.refuse = errors.New("away")
		r := sc.open(kept(path))
		if err := r.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		full := was
		full.Cur = 1 << 20
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full); err != nil {
			t.Fatal(err)
		}
		closed := make(chan error, 1)
		defer func() { failpoint = nil }()
		failpoint = func(s step) {
			if s == stepCommit { // the call is made, and nothing of it on disk
				go func() { closed <- r.Close() }()
				<-r.ctx.Done()
			}
		}
		p, err := r.Do(t.Context(), Method{Name: "m", Params: []any{strings.Repeat("x", 2<<20)}})
		if err == nil {
			t.Errorf("call %s is promised", p.ID())
		}
		if err := <-closed; err == nil {
			t.Error("Close pretends")
		}
	})
}

// TestDiskFails: replication goes on in memory, the status says so, and the file
// catches up when it can.
func TestDiskFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "replica.db")
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Skip("no limit on the size of files here:", err)
	}
	defer syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was)

	inScene(t, func(t *testing.T, sc *scene) {
		r := sc.open(kept(path))
		p := sc.accept()
		sub := sc.subscribe("s")
		w := p.wantSub("s")
		if err := r.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		full := was
		full.Cur = 1 << 20
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full); err != nil {
			t.Fatal(err)
		}
		for i := range 1000 {
			noise := make([]byte, 3000)
			rand.Read(noise)
			p.send(fmt.Sprintf(`{"msg":"added","collection":"items","id":"%d","fields":{"noise":"%x"}}`, i, noise))
		}
		p.ready(w)
		if err := sub.Ready(t.Context()); err != nil {
			t.Error(err)
		}
		if err := r.Flush(t.Context()); err == nil {
			t.Error("Flush pretends")
		}
		time.Sleep(2 * time.Second)
		st := sc.phase(Live)
		if st.DiskErr == nil || st.Durable >= st.Seq {
			t.Errorf("status %+v", st)
		}
		if n := r.Store().Snapshot().Len("items"); n != 1000 {
			t.Errorf("%d documents", n)
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if st := sc.phase(Live); st.DiskErr != nil || st.Durable != st.Seq {
			t.Errorf("status %+v", st)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		r = sc.open(kept(path))
		if n := r.Store().Snapshot().Len("items"); n != 1000 {
			t.Errorf("%d documents in the file", n)
		}
	})
}
