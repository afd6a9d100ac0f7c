package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/replicad/replicad/bench"
	"github.com/replicad/replicad/bench/peers/peer"
	"github.com/replicad/replicad/ddp/ejson"
)

// sqlitePeer is SQLite without cgo: a table with a column for what is asked for, and
// the whole document as text.
type sqlitePeer struct {
	db                                                 *sql.DB
	put, byID, byAuthor, scan, newest, inc, del, count *sql.Stmt
}

func main() { peer.Main(newSqlite) }

func newSqlite() (peer.Peer, error) { return &sqlitePeer{}, nil }

func (*sqlitePeer) How() string {
	return "a column for each field that is asked for and the document as JSON text; WITHOUT ROWID by _id, indexes on author and (room, ts DESC); prepared statements, 1,000 inserts a transaction; json_each for tags; \":memory:\", on disk WAL and synchronous=FULL"
}

func (s *sqlitePeer) Close() error {
	if s.db == nil {
		return nil
	}
	err := s.db.Close()
	s.db = nil
	return err
}

func (*sqlitePeer) Prepare(list []ejson.Doc) any {
	rows := make([][]any, len(list))
	for i, d := range list {
		rows[i] = columns(peer.Plain(d))
	}
	return rows
}

func columns(d *peer.Doc) []any {
	tags, err := json.Marshal(d.Tags)
	if err != nil {
		panic(err)
	}
	return []any{d.ID, d.Author, d.Room, d.TS.Millis, d.N, d.Flag, d.Nested.A.B, d.Nested.Likes, string(tags), string(d.JSON())}
}

func (s *sqlitePeer) open(path string, pragmas ...string) (err error) {
	if s.db, err = sql.Open("sqlite", path); err != nil {
		return err
	}
	s.db.SetMaxOpenConns(1) // each connection to :memory: is a database of its own
	for _, p := range append(pragmas,
		`CREATE TABLE IF NOT EXISTS docs (id TEXT PRIMARY KEY, author TEXT, room TEXT, ts INTEGER, n INTEGER, flag INTEGER, b INTEGER, likes INTEGER, tags TEXT, doc TEXT) WITHOUT ROWID`,
		`CREATE INDEX IF NOT EXISTS author ON docs (author)`,
		`CREATE INDEX IF NOT EXISTS room ON docs (room, ts DESC)`) {
		if _, err := s.db.Exec(p); err != nil {
			return err
		}
	}
	for _, st := range []struct {
		to   **sql.Stmt
		text string
	}{
		{&s.put, `INSERT OR REPLACE INTO docs VALUES (?,?,?,?,?,?,?,?,?,?)`},
		{&s.byID, `SELECT doc, n, ts, likes FROM docs WHERE id = ?`},
		{&s.byAuthor, `SELECT doc, n, ts, likes FROM docs WHERE author = ?`},
		{&s.scan, `SELECT doc, n, ts, likes FROM docs WHERE flag AND b > 500 AND EXISTS (SELECT 1 FROM json_each(tags) WHERE value IN ('tag3', 'tag17', 'tag40'))`},
		{&s.newest, `SELECT doc, n, ts, likes FROM docs WHERE room = ? ORDER BY ts DESC LIMIT ?`},
		{&s.inc, `UPDATE docs SET likes = likes + 1 WHERE id = ?`},
		{&s.del, `DELETE FROM docs WHERE id = ?`},
		{&s.count, `SELECT count(*) FROM docs WHERE length(doc) > 0`},
	} {
		if *st.to, err = s.db.Prepare(st.text); err != nil {
			return err
		}
	}
	return nil
}

func (s *sqlitePeer) insert(rows [][]any) error {
	for part := range slices.Chunk(rows, 1000) {
		tx, err := s.db.Begin()
		if err != nil {
			return err
		}
		put := tx.Stmt(s.put)
		for _, r := range part {
			if _, err := put.Exec(r...); err != nil {
				tx.Rollback()
				return err
			}
		}
		if err := tx.Commit(); err != nil {
			return err
		}
	}
	return nil
}

func (s *sqlitePeer) Load(prepared any) error {
	if err := s.Close(); err != nil {
		return err
	}
	if err := s.open(":memory:"); err != nil {
		return err
	}
	return s.insert(prepared.([][]any))
}

// Weigh returns the bytes of the database: they are not in Go's heap.
func (s *sqlitePeer) Weigh() (bytes int64, err error) {
	err = s.db.QueryRow(`SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()`).Scan(&bytes)
	return bytes, err
}

func read(st *sql.Stmt, take peer.Take, args ...any) (n int, err error) {
	rows, err := st.Query(args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var doc sql.RawBytes
	var num, likes int
	var ts int64
	for rows.Next() {
		if err := rows.Scan(&doc, &num, &ts, &likes); err != nil {
			return n, err
		}
		if n++; take != nil {
			take(num, ts, likes)
		}
	}
	return n, rows.Err()
}

func (s *sqlitePeer) ByID(id string, take peer.Take) error {
	n, err := read(s.byID, take, id)
	if err == nil && n != 1 {
		err = fmt.Errorf("%q: %d rows", id, n)
	}
	return err
}

func (s *sqlitePeer) ByAuthor(author string, take peer.Take) (int, error) {
	return read(s.byAuthor, take, author)
}

func (s *sqlitePeer) Scan(take peer.Take) (int, error) { return read(s.scan, take) }

func (s *sqlitePeer) Newest(room string, limit int, take peer.Take) (int, error) {
	return read(s.newest, take, room, limit)
}

func (s *sqlitePeer) Inc(id string) error {
	_, err := s.inc.Exec(id)
	return err
}

func (s *sqlitePeer) IncBatch(ids []string) error {
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	inc := tx.Stmt(s.inc)
	for _, id := range ids {
		if _, err := inc.Exec(id); err != nil {
			tx.Rollback()
			return err
		}
	}
	return tx.Commit()
}

func (*sqlitePeer) PrepareChange(_ int, d ejson.Doc) any { return columns(peer.Plain(d)) }

func (s *sqlitePeer) Change(kind int, prepared any) (err error) {
	row := prepared.([]any)
	if bench.OpKind(kind) == bench.Remove {
		_, err = s.del.Exec(row[0])
	} else {
		_, err = s.put.Exec(row...)
	}
	return err
}

func (s *sqlitePeer) Ingest(frames [][]byte) error {
	if err := s.Load([][]any(nil)); err != nil {
		return err
	}
	return peer.Ingest(frames, func(f []byte) ([]any, error) {
		d, err := peer.ReadAdded(f)
		return columns(d), err
	}, s.insert)
}

func (s *sqlitePeer) onDisk(path string) error {
	return s.open(path, `PRAGMA journal_mode=WAL`, `PRAGMA synchronous=FULL`)
}

func (s *sqlitePeer) Save(path string, list []ejson.Doc) error {
	saved := &sqlitePeer{}
	if err := saved.onDisk(path); err != nil {
		return err
	}
	if err := saved.insert(saved.Prepare(list).([][]any)); err != nil {
		return err
	}
	return saved.Close()
}

func (s *sqlitePeer) First(path, id string) error {
	if err := s.Close(); err != nil {
		return err
	}
	if err := s.onDisk(path); err != nil {
		return err
	}
	return s.ByID(id, nil)
}

func (s *sqlitePeer) Rest() (n int, err error) {
	err = s.count.QueryRow().Scan(&n)
	return n, err
}

func (s *sqlitePeer) Shut() error { return s.Close() }

func (s *sqlitePeer) Durable(path string, prepared any) (int64, error) {
	d := &sqlitePeer{}
	if err := d.onDisk(path); err != nil {
		return 0, err
	}
	if err := d.insert(prepared.([][]any)); err != nil {
		return 0, err
	}
	if err := d.Close(); err != nil {
		return 0, err
	}
	return peer.Size(path)
}
