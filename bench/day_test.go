package bench

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/observe"
	"github.com/replicad/replicad/persist"
	"github.com/replicad/replicad/store"
)

// A day is mixed use of a store with a file, compressed into 24 hours of ops
// operations each: half of them reads, the others inserts, updates and removals in
// turn, and every hundredth an observer that comes, hears something, and goes. The
// number of documents is the same at the end of every hour.
type day struct {
	db    *persist.DB
	s     *store.Store
	path  string
	ids   []ejson.ID // of what there is
	next  int        // number of the next document
	r     *Rand
	inc   any
	live  []*observe.Handle
	heard atomic.Int64
}

func newDay(tb testing.TB, n int) *day {
	path := filepath.Join(tb.TempDir(), "day.db")
	db, s := opened(tb, path)
	d := &day{db: db, s: s, path: path, next: n, r: NewRand(15)}
	for _, doc := range docs(n) {
		d.ids = append(d.ids, owned(doc))
	}
	d.inc = selector(map[string]any{"$inc": map[string]any{"nested.likes": 1}})
	put(tb, s, docs(n))
	for i := range 10 { // dashboards that stay open all day
		d.live = append(d.live, d.watch(tb, i))
	}
	return d
}

// owned returns a document's id in memory of its own: one that shares the document's
// would keep all of it.
func owned(doc ejson.Doc) ejson.ID { return ejson.StringID(strings.Clone(doc.Field("_id").Str())) }

func (d *day) watch(tb testing.TB, room int) *observe.Handle {
	q := d.s.Collection(coll).Find(selector(map[string]any{"room": Room(room)})).Sort("-ts").Limit(50)
	h, err := observe.Start(q, func(b observe.Batch[ejson.Doc]) { d.heard.Add(int64(len(b.Events))) })
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

// hour does ops operations and waits until observers and file have them.
func (d *day) hour(tb testing.TB, ops int) {
	c := d.s.Collection(coll)
	must := func(err error) {
		if err != nil {
			tb.Fatal(err)
		}
	}
	for i := range ops {
		k := d.r.Intn(len(d.ids))
		switch i % 6 {
		case 0:
			_, err := c.FindID(d.ids[k])
			must(err)
		case 2:
			each(tb, c.Find(selector(map[string]any{"room": Room(d.r.Intn(Rooms))})).Sort("-ts").Limit(20))
		case 4:
			each(tb, c.Find(selector(map[string]any{"author": Author(d.r.Intn(Authors))})))
		case 1:
			_, err := c.UpdateOne(d.ids[k], d.inc)
			must(err)
		case 3:
			doc := Doc(d.r, d.next)
			d.next++
			d.ids = append(d.ids, owned(doc))
			_, err := c.InsertOne(doc)
			must(err)
		case 5:
			_, err := c.DeleteOne(d.ids[k])
			must(err)
			d.ids[k] = d.ids[len(d.ids)-1]
			d.ids = d.ids[:len(d.ids)-1]
		}
		if i%100 == 99 {
			d.watch(tb, 50+d.r.Intn(50)).Stop()
		}
	}
	seq := d.s.Snapshot().Seq()
	for _, h := range d.live {
		must(h.Wait(context.Background(), seq))
	}
	must(d.db.Flush(context.Background(), seq))
}

// file returns the size of the file.
func (d *day) file(tb testing.TB) int64 {
	info, err := os.Stat(d.path)
	if err != nil {
		tb.Fatal(err)
	}
	return info.Size()
}

func (d *day) close(tb testing.TB) {
	for _, h := range d.live {
		h.Stop()
	}
	if err := d.db.Close(); err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkW15 is a day of mixed use: 24 hours of 20,000 operations on 10,000
// documents, one disk sync an hour at the least. An operation is the whole day.
// heap-growth is the heap at the end by that after the second hour, file-growth the
// same of the file, file-B/doc the largest file by the documents that it keeps.
func BenchmarkW15(b *testing.B) {
	const n, ops = 10_000, 20_000
	docs(n)
	b.ReportAllocs()
	var early, late float64
	var fileEarly, fileLate, largest int64
	for b.Loop() {
		d := newDay(b, n)
		for hour := range 24 {
			d.hour(b, ops)
			largest = max(largest, d.file(b))
			switch hour {
			case 1:
				early, fileEarly = float64(heap()), d.file(b)
			case 23:
				late, fileLate = float64(heap()), d.file(b)
			}
		}
		runtime.KeepAlive(d)
		d.close(b)
	}
	b.ReportMetric(24*ops*float64(b.N)/b.Elapsed().Seconds(), "ops/s")
	b.ReportMetric(late/early, "heap-growth")
	b.ReportMetric(float64(fileLate)/float64(fileEarly), "file-growth")
	b.ReportMetric(float64(largest)/n, "file-B/doc")
}

// TestDayStaysSmall is a short day: a store whose number of documents stays does not
// grow, in memory or on disk, whatever is done to it.
func TestDayStaysSmall(t *testing.T) {
	const n, ops = 2_000, 600
	empty := heap()
	d := newDay(t, n)
	var early float64
	for hour := range 24 {
		d.hour(t, ops)
		if hour == 3 {
			early = float64(heap()) - float64(empty)
		}
	}
	late := float64(heap()) - float64(empty)
	file := d.file(t)
	if got := d.s.Snapshot().Len(coll); got != n {
		t.Errorf("%d documents, wants %d", got, n)
	}
	d.close(t)
	t.Logf("heap %.0f B a document after 4 hours, %.0f after 24; file %d B a document", early/n, late/n, file/n)
	// Twenty hours put 2,000 new documents in the place of the old and update as
	// many: what kept them all would hold twice the bytes. A megabyte is for what
	// does not depend on documents: pools, buffers, the runtime's own.
	if late > 1.5*early+1<<20 {
		t.Errorf("the heap grew from %.0f to %.0f bytes", early, late)
	}
	// The log is folded beyond 4 MiB and half of the base, and stays below the size
	// of the base and 8 MiB; pages that were freed are used again.
	if limit := int64(2*n*400 + 16<<20); file > limit {
		t.Errorf("a file of %d bytes, wants at most %d", file, limit)
	}
	if d.heard.Load() == 0 {
		t.Error("ten dashboards heard nothing in a day")
	}
}
