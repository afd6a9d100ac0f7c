// Package peer is the side of a Go peer: what a database must do to be measured, the
// data set, and the process that answers the one who measures. A peer is a program of
// a few lines in the folder go, so that one that cannot be built is missing and the
// rest goes on.
package peer

import "github.com/replicad/replicad/ddp/ejson"

// Take is given what the check needs of each document. While the clock runs it is nil
// and the documents are only gone through.
type Take func(n int, ts int64, likes int)

// A Peer is a database under test. What else it can do it shows by the interfaces
// below; a workload whose interface it lacks is none of its.
type Peer interface {
	// How says in a sentence how it is used, and what its documentation recommends.
	How() string
	// Close frees what it has.
	Close() error
}

// Documents come to a peer as ejson.Doc, and it makes what it takes of them before
// the clock starts: prepare returns what load is given.
type loader interface {
	Prepare(list []ejson.Doc) any
	// Load drops everything and inserts all, with an index on author and one on
	// (room, -ts) where it has indexes.
	Load(prepared any) error
}

type finder interface {
	ByID(id string, take Take) error
}

type byAuthor interface {
	ByAuthor(author string, take Take) (int, error)
}

type scanner interface {
	Scan(take Take) (int, error)
}

type newester interface {
	Newest(room string, limit int, take Take) (int, error)
}

type incrementer interface {
	Inc(id string) error
}

type batchIncrementer interface {
	IncBatch(ids []string) error
}

// watcher observes. Watch starts an observer of a room or of an author, with newest
// the 50 newest; check makes it keep what it was told, for Shown.
type watcher interface {
	Watch(field, value string, newest, check bool) error
	// Settle waits until every observer has been told of everything.
	Settle() error
	Shown(take Take)
	Unwatch()
}

// churner takes the changes of W7, prepared before the clock starts.
type churner interface {
	PrepareChange(kind int, d ejson.Doc) any
	Change(kind int, prepared any) error
}

// ingester takes added messages as wire text into an empty collection with indexes.
type ingester interface {
	Ingest(frames [][]byte) error
}

// filer keeps documents in a file. Save makes one of all documents; Open opens it anew
// and finds one document, and then whatever else makes everything readable; Shut ends
// that. Durable inserts documents a thousand at a time, each on disk before the next,
// and returns the bytes of the files when all is done.
type filer interface {
	Save(path string, list []ejson.Doc) error
	First(path, id string) error
	Rest() (int, error)
	Shut() error
}

type durable interface {
	Durable(path string, prepared any) (bytes int64, err error)
}

// dialer takes a publication of all documents from a DDP server.
type dialer interface {
	Dial(url string, n int) error
}

// served is a peer whose documents come only from a server, so that Load is no bulk
// load.
type served interface {
	Served()
}
