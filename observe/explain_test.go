package observe

import (
	"strings"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

func TestExplain(t *testing.T) {
	s, c := fixture(t, 300)
	nothing := func(docBatch) {}
	var hs []*Handle
	for _, q := range []store.Query[ejson.Doc]{
		c.Find(nil).Sort("-n").Limit(10).Fields("n"),
		c.Find(nil).Sort("-n").Limit(10).Fields("n"),
		c.Find(object{"room": object{"$in": []any{"r0", "r1"}}}),
		c.Find("d1"),
		c.Find(object{"_id": object{"$in": []any{}}}),
		c.Find(object{"n": object{"$gt": 5}}),
	} {
		h, err := Start(q, nothing)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Stop()
		hs = append(hs, h)
	}
	seq := putDoc(t, s, thing(1, 1000))
	for _, h := range hs {
		wait(t, h, seq)
	}
	for i, want := range []string{
		`c.find({}).sort(-n).limit(10).fields({"n":true}): asked about every change; shared by 2, 300 documents, `,
		"", // the same
		`c.find({"room":{"$in":["r0","r1"]}}): by room, 2 values; shared by 1, 0 documents, 0 bytes; 1 changes, 1 batches (0 merged), 0 waiting, `,
		`c.find({"_id":"d1"}): by _id, 1 value; shared by 1, 0 documents, 0 bytes; 1 changes, 1 batches`,
		`c.find({"_id":{"$in":[]}}): never: the selector selects nothing; shared by 1, 0 documents, 0 bytes; 0 changes, 0 batches`,
		`c.find({"n":{"$gt":5}}): by n, 1 range; shared by 1`,
	} {
		if got := hs[i].Explain().String(); !strings.HasPrefix(got, want) {
			t.Errorf("%d: %s\nwant %s", i, got, want)
		}
	}
	resume := Pause(s)
	defer resume()
	putDoc(t, s, thing(1, 2000))
	list := Handles(s)
	if len(list) != 6 || list[0].Docs != 300 || list[0].Bytes < 300*32 || !list[0].Paused {
		t.Errorf("handles %v", list)
	}
}
