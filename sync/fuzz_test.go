package sync

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
)

// FuzzServer: whatever a server sends, on one connection and again on the next, the
// replica lives, keeps its own collections to itself, and can be closed.
func FuzzServer(f *testing.F) {
	files, err := filepath.Glob("testdata/replay/*.jsonl")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var frames []byte
		for line := range bytes.Lines(text) {
			if _, msg, ok := bytes.Cut(line, []byte(`"msg":`)); ok && bytes.Contains(line, []byte(`"s>c"`)) {
				frames = append(append(frames, bytes.TrimSuffix(bytes.TrimSpace(msg), []byte("}"))...), '\n')
			}
		}
		if len(frames) < 1<<13 {
			f.Add(frames)
		}
	}
	f.Add([]byte(`{"msg":"added","collection":"sync.subs","id":"x","fields":{"name":1}}` + "\n" +
		`{"msg":"removed","collection":"sync.meta","id":"replica"}` + "\n" +
		`{"msg":"added","collection":"","id":""}` + "\n" +
		`{"msg":"ready","subs":["SSS"]}` + "\n" +
		`{"msg":"updated","methods":["MMM"]}`))
	f.Fuzz(func(t *testing.T, frames []byte) {
		inScene(t, func(t *testing.T, sc *scene) {
			sc.open()
			sc.subscribe("s")
			sc.call(Method{Name: "m", Wait: true})
			p := sc.accept()
			for range 2 {
				m, w := p.wantMethod("m"), p.wantSub("s")
				// So that they can be hit.
				frames := bytes.ReplaceAll(frames, []byte("MMM"), []byte(m["id"].(string)))
				frames = bytes.ReplaceAll(frames, []byte("SSS"), []byte(w["id"].(string)))
				for frame := range bytes.SplitSeq(frames, []byte("\n")) {
					if p.end.Write(context.Background(), frame, false) != nil {
						break
					}
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				snap := sc.r.Store().Snapshot()
				if doc, _ := snap.Get(metaCollection, ejson.StringID("replica")); doc.Field("id").Str() != sc.r.ID() {
					t.Error("the replica lost its identity")
				}
				if st := sc.r.Status(); st.Calls == 0 || snap.Len(subsCollection) == 0 {
					return // answered, or ended
				}
				p = sc.cut(p)
			}
		})
	})
}
