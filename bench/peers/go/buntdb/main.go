package main

import (
	"fmt"
	"slices"

	"github.com/tidwall/buntdb"
	"github.com/tidwall/gjson"

	"github.com/replicad/replicad/bench/peers/go/textdoc"
	"github.com/replicad/replicad/bench/peers/peer"
	"github.com/replicad/replicad/ddp/ejson"
)

// buntdbPeer is buntdb: JSON text by key, with its own indexes on JSON paths.
type buntdbPeer struct{ db *buntdb.DB }

func main() { peer.Main(newBuntdb) }

func newBuntdb() (peer.Peer, error) { return &buntdbPeer{}, nil }

func (*buntdbPeer) How() string {
	return "JSON text by _id in \":memory:\"; CreateIndex with IndexJSON(author) and (IndexJSON(room), Desc(IndexJSON(ts))); AscendEqual and AscendGreaterOrEqual with a pivot; gjson for fields, as its README has it; SyncPolicy Always on disk"
}

func (b *buntdbPeer) Close() error {
	if b.db == nil {
		return nil
	}
	return b.db.Close()
}

func (*buntdbPeer) Prepare(list []ejson.Doc) any { return textdoc.Of(list) }

func (b *buntdbPeer) open(path string) (err error) {
	if b.db, err = buntdb.Open(path); err != nil {
		return err
	}
	if path != ":memory:" {
		if err := b.db.SetConfig(buntdb.Config{SyncPolicy: buntdb.Always, AutoShrinkPercentage: 100, AutoShrinkMinSize: 32 << 20}); err != nil {
			return err
		}
	}
	if err := b.db.CreateIndex("author", "*", buntdb.IndexJSON("author")); err != nil {
		return err
	}
	return b.db.CreateIndex("room", "*", buntdb.IndexJSON("room"), buntdb.Desc(buntdb.IndexJSON("ts")))
}

func (b *buntdbPeer) insert(list []textdoc.Keyed) error {
	return b.db.Update(func(tx *buntdb.Tx) error {
		for _, k := range list {
			if _, _, err := tx.Set(k.Key, k.Text, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *buntdbPeer) insertAll(list []textdoc.Keyed) error {
	for part := range slices.Chunk(list, 1000) {
		if err := b.insert(part); err != nil {
			return err
		}
	}
	return nil
}

func (b *buntdbPeer) Load(prepared any) error {
	if err := b.Close(); err != nil {
		return err
	}
	if err := b.open(":memory:"); err != nil {
		return err
	}
	return b.insertAll(prepared.([]textdoc.Keyed))
}

func (b *buntdbPeer) ByID(id string, take peer.Take) error {
	return b.db.View(func(tx *buntdb.Tx) error {
		text, err := tx.Get(id)
		if err == nil {
			textdoc.Tell(text, take)
		}
		return err
	})
}

func (b *buntdbPeer) ByAuthor(author string, take peer.Take) (n int, err error) {
	err = b.db.View(func(tx *buntdb.Tx) error {
		return tx.AscendEqual("author", `{"author":"`+author+`"}`, func(_, text string) bool {
			textdoc.Tell(text, take)
			n++
			return true
		})
	})
	return n, err
}

func (b *buntdbPeer) Scan(take peer.Take) (n int, err error) {
	err = b.db.View(func(tx *buntdb.Tx) error {
		return tx.Ascend("", func(_, text string) bool {
			if textdoc.Selected(text) {
				textdoc.Tell(text, take)
				n++
			}
			return true
		})
	})
	return n, err
}

func (b *buntdbPeer) Newest(room string, limit int, take peer.Take) (n int, err error) {
	err = b.db.View(func(tx *buntdb.Tx) error {
		return tx.AscendGreaterOrEqual("room", `{"room":"`+room+`","ts":9e15}`, func(_, text string) bool {
			if gjson.Get(text, "room").Str != room {
				return false
			}
			textdoc.Tell(text, take)
			n++
			return n < limit
		})
	})
	return n, err
}

func (b *buntdbPeer) IncBatch(ids []string) error {
	return b.db.Update(func(tx *buntdb.Tx) error {
		for _, id := range ids {
			text, err := tx.Get(id)
			if err != nil {
				return err
			}
			likes := gjson.Get(text, "nested.likes")
			text = fmt.Sprint(text[:likes.Index], likes.Int()+1, text[likes.Index+len(likes.Raw):])
			if _, _, err := tx.Set(id, text, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *buntdbPeer) Inc(id string) error { return b.IncBatch([]string{id}) }

func (b *buntdbPeer) Ingest(frames [][]byte) error {
	if err := b.Load([]textdoc.Keyed(nil)); err != nil {
		return err
	}
	return peer.Ingest(frames, func(f []byte) (textdoc.Keyed, error) {
		fields := gjson.GetManyBytes(f, "id", "fields", "fields.ts.$date")
		ts := gjson.Get(fields[1].Raw, "ts")
		text := fmt.Sprint(`{"_id":`, fields[0].Raw, ",", fields[1].Raw[1:ts.Index], fields[2].Raw, fields[1].Raw[ts.Index+len(ts.Raw):])
		return textdoc.Keyed{Key: fields[0].Str, Text: text}, nil
	}, b.insert)
}

func (b *buntdbPeer) Save(path string, list []ejson.Doc) error {
	saved := &buntdbPeer{}
	if err := saved.open(path); err != nil {
		return err
	}
	if err := saved.insertAll(saved.Prepare(list).([]textdoc.Keyed)); err != nil {
		return err
	}
	return saved.Close()
}

func (b *buntdbPeer) First(path, id string) error {
	if err := b.Close(); err != nil {
		return err
	}
	if err := b.open(path); err != nil {
		return err
	}
	return b.ByID(id, nil)
}

func (b *buntdbPeer) Rest() (n int, err error) {
	err = b.db.View(func(tx *buntdb.Tx) error {
		n, err = tx.Len()
		return err
	})
	return n, err
}

func (b *buntdbPeer) Shut() error {
	err := b.db.Close()
	b.db = nil
	return err
}

func (b *buntdbPeer) Durable(path string, prepared any) (int64, error) {
	d := &buntdbPeer{}
	if err := d.open(path); err != nil {
		return 0, err
	}
	if err := d.insertAll(prepared.([]textdoc.Keyed)); err != nil {
		return 0, err
	}
	if err := d.Close(); err != nil {
		return 0, err
	}
	return peer.Size(path)
}
