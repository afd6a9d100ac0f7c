package main

import (
	"fmt"
	"slices"

	badgerdb "github.com/dgraph-io/badger/v4"
	"github.com/tidwall/gjson"

	"github.com/replicad/replicad/bench/peers/go/textdoc"
	"github.com/replicad/replicad/bench/peers/peer"
	"github.com/replicad/replicad/ddp/ejson"
)

// badgerPeer is badger: keys and values, without indexes of its own.
type badgerPeer struct{ db *badgerdb.DB }

func main() { peer.Main(newBadger) }

func newBadger() (peer.Peer, error) { return &badgerPeer{}, nil }

func (*badgerPeer) How() string {
	return "JSON text by _id, WithInMemory; WriteBatch for loading, Update for single changes; no secondary indexes, so W3 and W5 are not its workloads, and W1 is the id alone; on disk WithSyncWrites, 1,000 a transaction and CommitWith, so that the next are put together while the last are being synced"
}

func (b *badgerPeer) Close() error {
	if b.db == nil {
		return nil
	}
	err := b.db.Close()
	b.db = nil
	return err
}

func (*badgerPeer) Prepare(list []ejson.Doc) any { return textdoc.Of(list) }

func (b *badgerPeer) open(o badgerdb.Options) (err error) {
	b.db, err = badgerdb.Open(o.WithLogger(nil))
	return err
}

func (b *badgerPeer) Load(prepared any) error {
	if err := b.Close(); err != nil {
		return err
	}
	if err := b.open(badgerdb.DefaultOptions("").WithInMemory(true)); err != nil {
		return err
	}
	return b.insert(prepared.([]textdoc.Keyed))
}

func (b *badgerPeer) insert(list []textdoc.Keyed) error {
	w := b.db.NewWriteBatch()
	defer w.Cancel()
	for _, k := range list {
		if err := w.Set([]byte(k.Key), []byte(k.Text)); err != nil {
			return err
		}
	}
	return w.Flush()
}

func (b *badgerPeer) ByID(id string, take peer.Take) error {
	return b.db.View(func(tx *badgerdb.Txn) error {
		item, err := tx.Get([]byte(id))
		if err != nil {
			return err
		}
		return item.Value(func(text []byte) error {
			if take != nil {
				textdoc.Tell(string(text), take)
			}
			return nil
		})
	})
}

func (b *badgerPeer) each(fn func(text []byte)) error {
	return b.db.View(func(tx *badgerdb.Txn) error {
		it := tx.NewIterator(badgerdb.DefaultIteratorOptions)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			if err := it.Item().Value(func(text []byte) error { fn(text); return nil }); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *badgerPeer) Scan(take peer.Take) (n int, err error) {
	err = b.each(func(text []byte) {
		if t := string(text); textdoc.Selected(t) {
			textdoc.Tell(t, take)
			n++
		}
	})
	return n, err
}

func (b *badgerPeer) IncBatch(ids []string) error {
	return b.db.Update(func(tx *badgerdb.Txn) error {
		for _, id := range ids {
			item, err := tx.Get([]byte(id))
			if err != nil {
				return err
			}
			value, err := item.ValueCopy(nil)
			if err != nil {
				return err
			}
			text := string(value)
			likes := gjson.Get(text, "nested.likes")
			if err := tx.Set([]byte(id), fmt.Append(nil, text[:likes.Index], likes.Int()+1, text[likes.Index+len(likes.Raw):])); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *badgerPeer) Inc(id string) error { return b.IncBatch([]string{id}) }

func (b *badgerPeer) Save(path string, list []ejson.Doc) error {
	saved := &badgerPeer{}
	if err := saved.open(badgerdb.DefaultOptions(path)); err != nil {
		return err
	}
	if err := saved.insert(saved.Prepare(list).([]textdoc.Keyed)); err != nil {
		return err
	}
	return saved.Close()
}

func (b *badgerPeer) First(path, id string) error {
	if err := b.Close(); err != nil {
		return err
	}
	if err := b.open(badgerdb.DefaultOptions(path)); err != nil {
		return err
	}
	return b.ByID(id, nil)
}

func (b *badgerPeer) Rest() (n int, err error) {
	err = b.each(func([]byte) { n++ })
	return n, err
}

func (b *badgerPeer) Shut() error { return b.Close() }

func (b *badgerPeer) Durable(path string, prepared any) (int64, error) {
	d := &badgerPeer{}
	if err := d.open(badgerdb.DefaultOptions(path).WithSyncWrites(true)); err != nil {
		return 0, err
	}
	before := make(chan error, 1) // what became of the last thousand
	before <- nil
	for part := range slices.Chunk(prepared.([]textdoc.Keyed), 1000) {
		tx := d.db.NewTransaction(true)
		for _, k := range part {
			if err := tx.Set([]byte(k.Key), []byte(k.Text)); err != nil {
				return 0, err
			}
		}
		if err := <-before; err != nil {
			return 0, err
		}
		tx.CommitWith(func(err error) { before <- err })
	}
	if err := <-before; err != nil {
		return 0, err
	}
	if err := d.Close(); err != nil {
		return 0, err
	}
	return peer.Size(path)
}
