package sync

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/replicad/replicad/ddp/client"
)

// TestManyServers is one program with replicas of several servers, each with its own
// file: what one server publishes, refuses or does not answer is nobody else's business.
func TestManyServers(t *testing.T) {
	dir := t.TempDir()
	inScene(t, func(t *testing.T, sc *scene) {
		const n = 3
		var rs [n]*Replica
		var conns [n]chan *peer
		open := func(i int) *peer {
			conns[i] = make(chan *peer, 10)
			opts := Options{Path: filepath.Join(dir, fmt.Sprint(i, ".db")), Logger: quietLog()}
			opts.Client.Heartbeat = -1
			opts.Client.Dial = func(_ context.Context, url string) (client.Transport, error) {
				if want := fmt.Sprintf("ws://server%d.example", i); url != want {
					t.Errorf("dialed %s, want %s", url, want)
				}
				ours, theirs := client.Pipe(client.PipeOptions{})
				p := &peer{t: t, end: theirs, frames: make(chan string, 100)}
				t.Cleanup(func() { theirs.Close(1000, "") })
				go p.pump()
				conns[i] <- p
				return ours, nil
			}
			r, err := Open(t.Context(), fmt.Sprintf("ws://server%d.example", i), opts)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { r.Close() })
			rs[i] = r
			r.Stub("insert", insertStub)
			p := <-conns[i]
			p.want(`{"msg":"connect"}`)
			p.send(fmt.Sprintf(`{"msg":"connected","session":"of server %d"}`, i))
			return p
		}
		var peers [n]*peer
		for i := range n {
			peers[i] = open(i)
		}
		for i, r := range rs {
			if _, err := r.Subscribe("s"); err != nil {
				t.Fatal(err)
			}
			w := peers[i].wantSub("s")
			peers[i].added("same", i) // the same document in name, and no more
			peers[i].ready(w)
		}
		synctest.Wait()
		if _, err := rs[1].Do(t.Context(), Method{Name: "insert", Params: []any{map[string]any{"_id": "mine"}}}); err != nil {
			t.Fatal(err)
		}
		peers[1].wantMethod("insert") // which is never answered
		peers[2].end.Cut()
		synctest.Wait()
		for i, r := range rs {
			sc.r = r
			want := []string{fmt.Sprintf(`{"_id":"same","n":%d}`, i)}
			if i == 1 {
				want = append(want, `{"_id":"mine"}`)
			}
			sc.has("items", want...)
			if st := r.Status(); st.Outbox != len(want)-1 || (st.Phase == Live) != (i != 2) {
				t.Errorf("replica %d: %+v", i, st)
			}
		}
		if rs[0].ID() == rs[1].ID() || rs[1].ID() == rs[2].ID() {
			t.Error("replicas share an id")
		}
		for _, r := range rs {
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
		peers[1] = open(1)
		peers[1].wantMethod("insert")
		peers[0] = open(0)
		peers[0].wantSub("s")
		peers[0].quiet()
	})
}

// TestLog: every transition is in the log, once, in order, and with its reasons.
func TestLog(t *testing.T) {
	path := t.TempDir() + "/r.db"
	inScene(t, func(t *testing.T, sc *scene) {
		var text bytes.Buffer // written by one goroutine at a time, and read when all rest
		log := slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "retryAt" || a.Key == "id" || a.Key == "path" {
				return slog.Attr{}
			}
			return a
		}}))
		sc.open(kept(path), func(o *Options) { o.Logger = log; o.Client.Logger = quietLog() })
		p := sc.accept()
		synctest.Wait()
		sc.signIn(p, "ann")
		sc.must(Method{Name: "bad"})
		p.answer(p.wantMethod("bad"), `,"error":{"error":403,"reason":"no"}`)
		sc.must(Method{Name: "busy"})
		p.answer(p.wantMethod("busy"), `,"error":{"error":"too-many-requests","details":{"timeToReset":1000}}`)
		synctest.Wait()
		p = sc.cut(p)
		p.answer(p.wantMethod("login"), `,"error":{"error":403,"reason":"expired"}`)
		synctest.Wait()
		sc.r.Disconnect()
		synctest.Wait()
		sc.r.Close()
		var got []string
		for line := range strings.Lines(text.String()) {
			got = append(got, regexp.MustCompile(` err=.*| after=\S+`).ReplaceAllString(strings.TrimSpace(line), ""))
		}
		want := []string{
			`level=INFO msg="sync: phase" from=offline to=connecting`,
			`level=INFO msg="sync: phase" from=connecting to=live`,
			`level=INFO msg="sync: logged in" user=ann`,
			`level=WARN msg="sync: call failed; it is kept in the outbox" method=bad`,
			`level=INFO msg="sync: call refused; it will be tried again" method=busy`,
			`level=WARN msg="sync: phase" from=live to=offline`,
			`level=INFO msg="sync: phase" from=offline to=connecting`,
			`level=INFO msg="sync: phase" from=connecting to=catching`,
			`level=WARN msg="sync: login needed" user=ann outbox=1`,
			`level=INFO msg="sync: outbox aligned with the login" user=ann sendable=0 parked=1`,
			`level=WARN msg="sync: phase" from=catching to=offline`,
			`level=INFO msg="sync: phase" from=offline to=closed`,
		}
		if !slices.Equal(got, want) {
			t.Errorf("the log has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}
