package sync

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/persist"
	"github.com/replicad/replicad/store"
)

// kept is the option of a replica with a file.
func kept(path string) func(*Options) { return func(o *Options) { o.Path = path } }

// liveKept is live with a file, and closes the replica.
func (sc *scene) liveKept(path string, ids ...string) {
	sc.t.Helper()
	sc.open(kept(path))
	sc.p = sc.accept()
	sc.s = sc.subscribe("s", "x")
	sc.sub = sc.p.wantSub("s")
	for _, id := range ids {
		sc.p.added(id, 1)
	}
	sc.p.ready(sc.sub)
	sc.isReady(sc.s, true)
	if err := sc.r.Close(); err != nil {
		sc.t.Fatal(err)
	}
}

func TestRestart(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, sc *scene, path string)
	}{
		{"the server away: everything is there", func(t *testing.T, sc *scene, path string) {
			sc.liveKept(path, "b", "a", "c")
			id := sc.r.ID()
			sc.refuse = errors.New("away")
			r := sc.open(kept(path))
			sc.has("items", `{"_id":"b","n":1}`, `{"_id":"a","n":1}`, `{"_id":"c","n":1}`)
			if r.ID() != id || id == "" {
				t.Errorf("replica %q, was %q", r.ID(), id)
			}
			if _, err := r.Store().Collection("items").InsertOne(ejson.Make()); !errors.Is(err, store.ErrReplicated) {
				t.Errorf("direct write: %v", err)
			}
			sub := sc.subscribe("s", "x")
			sc.isReady(sub, false)
			time.Sleep(time.Hour)
			sc.seen()
			if st := sc.phase(Offline); st.Seq != st.Durable || st.DiskErr != nil {
				t.Errorf("status %+v", st)
			}
		}},
		{"revived, taken over, and ready when the server has confirmed", func(t *testing.T, sc *scene, path string) {
			sc.liveKept(path, "a", "b", "c")
			sc.open(kept(path))
			p := sc.accept()
			p.same(sc.sub, p.wantSub("s")) // before the program has asked
			sc.phase(Catching)
			sub := sc.subscribe("s", "x")
			p.quiet()
			p.added("c", 1)
			p.added("b", 2)
			p.added("d", 1)
			time.Sleep(time.Second)
			sc.isReady(sub, false)
			sc.seen()
			p.ready(sc.sub)
			sc.isReady(sub, true)
			sc.seen("+d -a ~b")
			time.Sleep(time.Minute) // the grace has passed, and it is claimed
			p.quiet()
			sub.Stop()
			p.want(`{"msg":"unsub"}`)
		}},
		{"what nobody asks for again is dropped after the grace", func(t *testing.T, sc *scene, path string) {
			sc.liveKept(path, "a")
			sc.open(kept(path))
			p := sc.accept()
			w := p.wantSub("s")
			time.Sleep(20 * time.Second)
			p.added("a", 1)
			p.ready(w) // Live from here
			time.Sleep(29 * time.Second)
			p.quiet()
			time.Sleep(time.Second)
			p.want(fmt.Sprintf(`{"msg":"unsub","id":%q}`, w["id"]))
			p.send(`{"msg":"removed","collection":"items","id":"a"}`, fmt.Sprintf(`{"msg":"nosub","id":%q}`, w["id"]))
			sc.seen("-a")
			sc.r.Close()
			sc.open(kept(path))
			p = sc.accept()
			p.quiet()
		}},
		{"a first sync cut short goes on", func(t *testing.T, sc *scene, path string) {
			sc.open(kept(path))
			p := sc.accept()
			sc.subscribe("s")
			w := p.wantSub("s")
			p.added("a", 1)
			p.added("b", 1)
			p.added("c", 1)
			synctest.Wait()
			sc.r.Close() // within the 5ms: nothing that came is lost
			sc.open(kept(path))
			sc.has("items", `{"_id":"a","n":1}`, `{"_id":"b","n":1}`, `{"_id":"c","n":1}`)
			p = sc.accept()
			p.same(w, p.wantSub("s"))
			sub := sc.subscribe("s")
			st := sc.phase(Live)
			if st.Stale != 3 {
				t.Errorf("%d stale", st.Stale)
			}
			p.added("d", 1) // shows as it comes
			time.Sleep(10 * time.Millisecond)
			sc.seen("+d")
			p.added("a", 1)
			p.added("c", 2)
			time.Sleep(10 * time.Millisecond)
			sc.seen("~c")
			p.ready(w)
			sc.seen("-b")
			sc.isReady(sub, true)
		}},
		{"documents without a subscription wait for the program", func(t *testing.T, sc *scene, path string) {
			sc.open(kept(path))
			p := sc.accept()
			sub := sc.subscribe("s")
			p.ready(p.wantSub("s"))
			p.added("a", 1)
			p.added("b", 1)
			time.Sleep(time.Second)
			sub.Stop()
			synctest.Wait()
			sc.r.Close() // before the server has removed anything
			sc.open(kept(path))
			p = sc.accept()
			time.Sleep(20 * time.Second)
			sc.seen()
			sub = sc.subscribe("s")
			time.Sleep(20 * time.Second)
			w := p.wantSub("s")
			sc.seen()
			p.added("b", 1)
			p.ready(w)
			sc.seen("-a")
			sc.isReady(sub, true)
		}},
		{"other parameters after the restart", func(t *testing.T, sc *scene, path string) {
			sc.liveKept(path, "a", "b")
			sc.open(kept(path))
			sub := sc.subscribe("s", "y")
			p := sc.accept()
			p.same(sc.sub, p.wantSub("s"))
			w := p.want(`{"msg":"sub","name":"s","params":["y"]}`)
			p.added("a", 1)
			p.added("b", 1)
			p.ready(sc.sub)
			p.added("c", 1)
			p.ready(w)
			sc.seen("+c")
			sc.isReady(sub, true)
			time.Sleep(30 * time.Second)
			p.want(fmt.Sprintf(`{"msg":"unsub","id":%q}`, sc.sub["id"]))
		}},
		{"refused after the restart", func(t *testing.T, sc *scene, path string) {
			sc.liveKept(path, "a", "b")
			sc.open(kept(path))
			sub := sc.subscribe("s", "x")
			p := sc.accept()
			w := p.wantSub("s")
			p.send(fmt.Sprintf(`{"msg":"nosub","id":%q,"error":{"error":404}}`, w["id"]))
			<-sub.Done()
			sc.seen("-a -b")
		}},
		{"killed: the file is a moment of the replica", func(t *testing.T, sc *scene, path string) {
			sc.open(kept(path))
			p := sc.accept()
			sc.subscribe("s")
			w := p.wantSub("s")
			p.added("a", 1)
			p.ready(w)
			synctest.Wait()
			if err := sc.r.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			image, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			p.added("b", 1)
			p.send(`{"msg":"removed","collection":"items","id":"a"}`)
			time.Sleep(time.Second)
			sc.has("items", `{"_id":"b","n":1}`)
			sc.r.Close()
			if err := os.WriteFile(path, image, 0o600); err != nil {
				t.Fatal(err)
			}
			sc.open(kept(path))
			sc.has("items", `{"_id":"a","n":1}`)
			p = sc.accept()
			p.same(w, p.wantSub("s"))
			p.added("b", 1)
			p.ready(w)
			sc.seen("+b -a")
		}},
		{"the program's own collections", func(t *testing.T, sc *scene, path string) {
			sc.liveKept(path, "a")
			r := sc.open(kept(path))
			sc.accept()
			drafts := r.Store().Collection("drafts")
			if _, err := drafts.InsertOne(ejson.Make(ejson.Field{Name: "_id", Value: "d"})); err != nil {
				t.Fatal(err)
			}
			r.Close()
			if _, err := drafts.InsertOne(ejson.Make()); err == nil {
				t.Error("written after Close")
			}
			sc.open(kept(path))
			p := sc.accept()
			p.ready(p.wantSub("s"))
			sc.seen("-a")
			sc.has("drafts", `{"_id":"d"}`)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "replica.db")
			inScene(t, func(t *testing.T, sc *scene) { test.run(t, sc, path) })
		})
	}
}

// TestBadFile: what Open cannot use is an error that says so, and is left alone.
func TestBadFile(t *testing.T) {
	good := filepath.Join(t.TempDir(), "good.db")
	inScene(t, func(t *testing.T, sc *scene) { sc.liveKept(good, "a", "b") })
	image, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	torn := bytes.Clone(image)
	for i := 2 * 4096; i < len(torn); i++ { // all that the first two pages lead to
		torn[i] ^= 0xa5
	}
	for _, test := range []struct {
		name string
		text []byte // nil: a directory
		want error
	}{
		{"directory", nil, nil},
		{"text", []byte("these are not the bytes you are looking for"), persist.ErrNotReplica},
		{"noise", bytes.Repeat([]byte{0xa5, 1, 2, 3}, 1<<14), nil},
		{"damaged", torn, nil},
		{"cut short", image[:len(image)/3], nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "replica.db")
			if test.text == nil {
				path = t.TempDir()
			} else if err := os.WriteFile(path, test.text, 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := Open(t.Context(), "ws://127.0.0.1:1/", Options{Path: path, Logger: quietLog()})
			if err == nil {
				r.Close()
				t.Fatal("no error")
			}
			if test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if !bytes.Contains([]byte(err.Error()), []byte(path)) {
				t.Errorf("the error does not name the file: %v", err)
			}
			if test.text == nil {
				return
			}
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, test.text) {
				t.Errorf("the file was changed (%v)", err)
			}
		})
	}
	t.Run("locked", func(t *testing.T) {
		r, err := Open(t.Context(), "ws://127.0.0.1:1/", Options{Path: good, Logger: quietLog()})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if other, err := Open(ctx, "ws://127.0.0.1:1/", Options{Path: good, Logger: quietLog()}); !errors.Is(err, persist.ErrLocked) {
			if err == nil {
				other.Close()
			}
			t.Errorf("error %v", err)
		} else if runtime.GOOS == "linux" && !strings.Contains(err.Error(), fmt.Sprintf("this process (%d)", os.Getpid())) {
			t.Errorf("who has the file is not named: %v", err)
		}
	})
}
