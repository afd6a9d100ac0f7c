package main

import (
	"fmt"
	"slices"

	"github.com/hashicorp/go-memdb"

	"github.com/replicad/replicad/bench"
	"github.com/replicad/replicad/bench/peers/peer"
	"github.com/replicad/replicad/ddp/ejson"
)

// memdbPeer is go-memdb: rows are pointers to structs, which must not be changed, so an
// update inserts a copy.
type memdbPeer struct {
	db *memdb.MemDB
}

// memdbRow is a Doc with what the compound index needs: go-memdb orders by bytes, so
// the newest first is an index on a number that falls as ts rises.
type memdbRow struct {
	peer.Doc
	Before uint64 // largest minus ts
}

func row(d *peer.Doc) *memdbRow { return &memdbRow{*d, 1<<62 - uint64(d.TS.Millis)} }

func main() { peer.Main(newMemdb) }

func newMemdb() (peer.Peer, error) { return &memdbPeer{}, nil }

func (*memdbPeer) How() string {
	return "structs; StringFieldIndex on ID and Author, CompoundIndex of Room and a descending number, walked by prefix; 1,000 inserts a Txn, an update is an insert of a copy; the scan is a predicate written by hand; no observers (WatchSet tells that something changed, not what)"
}

func (*memdbPeer) Close() error { return nil }

func (*memdbPeer) Prepare(list []ejson.Doc) any {
	rows := make([]*memdbRow, len(list))
	for i, d := range list {
		rows[i] = row(peer.Plain(d))
	}
	return rows
}

func (m *memdbPeer) reset() (err error) {
	m.db, err = memdb.NewMemDB(&memdb.DBSchema{Tables: map[string]*memdb.TableSchema{"docs": {
		Name: "docs",
		Indexes: map[string]*memdb.IndexSchema{
			"id":     {Name: "id", Unique: true, Indexer: &memdb.StringFieldIndex{Field: "ID"}},
			"author": {Name: "author", Indexer: &memdb.StringFieldIndex{Field: "Author"}},
			"room": {Name: "room", Indexer: &memdb.CompoundIndex{Indexes: []memdb.Indexer{
				&memdb.StringFieldIndex{Field: "Room"}, &memdb.UintFieldIndex{Field: "Before"},
			}}},
		},
	}}})
	return err
}

func (m *memdbPeer) insert(rows []*memdbRow) error {
	txn := m.db.Txn(true)
	defer txn.Abort()
	for _, r := range rows {
		if err := txn.Insert("docs", r); err != nil {
			return err
		}
	}
	txn.Commit()
	return nil
}

func (m *memdbPeer) Load(prepared any) error {
	if err := m.reset(); err != nil {
		return err
	}
	for part := range slices.Chunk(prepared.([]*memdbRow), 1000) {
		if err := m.insert(part); err != nil {
			return err
		}
	}
	return nil
}

func (r *memdbRow) tell(take peer.Take) {
	if take != nil {
		take(r.N, r.TS.Millis, r.Nested.Likes)
	}
}

func (m *memdbPeer) get(id string) (*memdbRow, error) {
	r, err := m.db.Txn(false).First("docs", "id", id)
	if err != nil || r == nil {
		return nil, fmt.Errorf("%q: %v", id, err)
	}
	return r.(*memdbRow), nil
}

func (m *memdbPeer) ByID(id string, take peer.Take) error {
	r, err := m.get(id)
	if err == nil {
		r.tell(take)
	}
	return err
}

func (m *memdbPeer) ByAuthor(author string, take peer.Take) (n int, err error) {
	it, err := m.db.Txn(false).Get("docs", "author", author)
	if err != nil {
		return 0, err
	}
	for r := it.Next(); r != nil; r = it.Next() {
		r.(*memdbRow).tell(take)
		n++
	}
	return n, nil
}

func (m *memdbPeer) Scan(take peer.Take) (n int, err error) {
	it, err := m.db.Txn(false).Get("docs", "id")
	if err != nil {
		return 0, err
	}
	for r := it.Next(); r != nil; r = it.Next() {
		if r := r.(*memdbRow); r.Selected() {
			r.tell(take)
			n++
		}
	}
	return n, nil
}

func (m *memdbPeer) Newest(room string, limit int, take peer.Take) (n int, err error) {
	it, err := m.db.Txn(false).Get("docs", "room_prefix", room)
	if err != nil {
		return 0, err
	}
	for r := it.Next(); r != nil && n < limit; r = it.Next() {
		r := r.(*memdbRow)
		if r.Room != room { // the prefix of room7 is one of room70, too
			break
		}
		r.tell(take)
		n++
	}
	return n, nil
}

func (m *memdbPeer) IncBatch(ids []string) error {
	txn := m.db.Txn(true)
	defer txn.Abort()
	for _, id := range ids {
		r, err := txn.First("docs", "id", id)
		if err != nil {
			return err
		}
		next := *r.(*memdbRow)
		next.Nested.Likes++
		if err := txn.Insert("docs", &next); err != nil {
			return err
		}
	}
	txn.Commit()
	return nil
}

func (m *memdbPeer) Inc(id string) error { return m.IncBatch([]string{id}) }

func (*memdbPeer) PrepareChange(_ int, d ejson.Doc) any { return row(peer.Plain(d)) }

func (m *memdbPeer) Change(kind int, prepared any) error {
	if bench.OpKind(kind) != bench.Remove {
		return m.insert([]*memdbRow{prepared.(*memdbRow)})
	}
	txn := m.db.Txn(true)
	defer txn.Abort()
	if err := txn.Delete("docs", prepared); err != nil {
		return err
	}
	txn.Commit()
	return nil
}

func (m *memdbPeer) Ingest(frames [][]byte) error {
	if err := m.reset(); err != nil {
		return err
	}
	return peer.Ingest(frames, func(f []byte) (*memdbRow, error) {
		d, err := peer.ReadAdded(f)
		return row(d), err
	}, m.insert)
}
