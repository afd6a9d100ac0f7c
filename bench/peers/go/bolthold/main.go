package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/timshannon/bolthold"
	"go.etcd.io/bbolt"

	"github.com/replicad/replicad/bench/peers/peer"
	"github.com/replicad/replicad/ddp/ejson"
)

// boltPeer is bolthold: structs in a bbolt file, by gob, with its own indexes.
type boltPeer struct {
	db  *bolthold.Store
	dir string
}

// boltRow is a Doc with bolthold's tags.
type boltRow struct {
	ID     string `boltholdKey:"ID"`
	Author string `boltholdIndex:"Author"`
	Room   string `boltholdIndex:"Room"`
	Text   string
	TS     int64
	Score  float64
	Tags   []string
	N      int
	Nested peer.Nested
	Flag   bool
}

func main() { peer.Main(newBolthold) }

func newBolthold() (peer.Peer, error) {
	dir, err := os.MkdirTemp("", "bolthold")
	return &boltPeer{dir: dir}, err
}

func (*boltPeer) How() string {
	return "structs with boltholdIndex on Author and Room (it has no compound indexes); TxInsert, 1,000 a bbolt transaction; Where(…).Index(…); it has no store in memory, so a file without fsync in W1 to W6, with fsync in W10"
}

func (b *boltPeer) shut() error {
	if b.db == nil {
		return nil
	}
	err := b.db.Close()
	b.db = nil
	return err
}

func (b *boltPeer) Close() error {
	err := b.shut()
	os.RemoveAll(b.dir)
	return err
}

func (*boltPeer) Prepare(list []ejson.Doc) any {
	rows := make([]*boltRow, len(list))
	for i, d := range peer.Plains(list) {
		rows[i] = &boltRow{d.ID, d.Author, d.Room, d.Text, d.TS.Millis, d.Score, d.Tags, d.N, d.Nested, d.Flag}
	}
	return rows
}

func (b *boltPeer) open(path string, sync bool) (err error) {
	b.db, err = bolthold.Open(path, 0o600, &bolthold.Options{Options: &bbolt.Options{NoSync: !sync, FreelistType: bbolt.FreelistMapType}})
	return err
}

func (b *boltPeer) insert(rows []*boltRow) error {
	for part := range slices.Chunk(rows, 1000) {
		if err := b.db.Bolt().Update(func(tx *bbolt.Tx) error {
			for _, r := range part {
				if err := b.db.TxInsert(tx, r.ID, r); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

func (b *boltPeer) Load(prepared any) error {
	if err := b.shut(); err != nil {
		return err
	}
	path := filepath.Join(b.dir, "docs.db")
	os.Remove(path)
	if err := b.open(path, false); err != nil {
		return err
	}
	return b.insert(prepared.([]*boltRow))
}

// Weigh returns 0: what is on disk is not in memory.
func (b *boltPeer) Weigh() (bytes int64, err error) { return 0, nil }

func (r *boltRow) tell(take peer.Take) {
	if take != nil {
		take(r.N, r.TS, r.Nested.Likes)
	}
}

func (b *boltPeer) ByID(id string, take peer.Take) error {
	var r boltRow
	err := b.db.Get(id, &r)
	if err == nil {
		r.tell(take)
	}
	return err
}

func (b *boltPeer) find(q *bolthold.Query, take peer.Take) (int, error) {
	var rows []boltRow
	if err := b.db.Find(&rows, q); err != nil {
		return 0, err
	}
	for i := range rows {
		rows[i].tell(take)
	}
	return len(rows), nil
}

func (b *boltPeer) ByAuthor(author string, take peer.Take) (int, error) {
	return b.find(bolthold.Where("Author").Eq(author).Index("Author"), take)
}

func (b *boltPeer) Scan(take peer.Take) (int, error) {
	return b.find(bolthold.Where("Flag").Eq(true).And("Nested").MatchFunc(func(n peer.Nested) (bool, error) {
		return n.A.B > 500, nil
	}).And("Tags").ContainsAny("tag3", "tag17", "tag40"), take)
}

func (b *boltPeer) Newest(room string, limit int, take peer.Take) (int, error) {
	return b.find(bolthold.Where("Room").Eq(room).Index("Room").SortBy("TS").Reverse().Limit(limit), take)
}

func (b *boltPeer) IncBatch(ids []string) error {
	return b.db.Bolt().Update(func(tx *bbolt.Tx) error {
		for _, id := range ids {
			var r boltRow
			if err := b.db.TxGet(tx, id, &r); err != nil {
				return err
			}
			r.Nested.Likes++
			if err := b.db.TxUpdate(tx, id, &r); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *boltPeer) Inc(id string) error { return b.IncBatch([]string{id}) }

// Save copies the file that it has: to make it anew takes very long.
func (b *boltPeer) Save(path string, _ []ejson.Doc) error {
	return b.db.Bolt().View(func(tx *bbolt.Tx) error { return tx.CopyFile(path, 0o600) })
}

func (b *boltPeer) First(path, id string) error {
	if err := b.shut(); err != nil {
		return err
	}
	if err := b.open(path, true); err != nil {
		return err
	}
	return b.ByID(id, nil)
}

func (b *boltPeer) Rest() (n int, err error) {
	err = b.db.ForEach(nil, func(r *boltRow) error {
		n++
		return nil
	})
	return n, err
}

func (b *boltPeer) Shut() error { return b.shut() }

func (b *boltPeer) Durable(path string, prepared any) (int64, error) {
	d := &boltPeer{}
	if err := d.open(path, true); err != nil {
		return 0, err
	}
	if err := d.insert(prepared.([]*boltRow)); err != nil {
		return 0, fmt.Errorf("insert: %w", err)
	}
	if err := d.shut(); err != nil {
		return 0, err
	}
	return peer.Size(path)
}
