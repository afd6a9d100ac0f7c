package persist

import "github.com/replicad/replicad/store"

// Stats counts what a DB has done since it was opened, and says what the file
// holds.
type Stats struct {
	Durable store.Seq // last Seq on disk
	Waiting int       // changes that are not on disk, of one document possibly several

	Records int64 // transactions that wrote commits
	Changes int64 // documents written by them
	Folds   int64 // times that a log was folded into the base, whole
	Steps   int64 // transactions of folding
	Bytes   int64 // written to the file, pages and all, also by folding

	LogBytes  int64 // what load reads beside the base
	BaseBytes int64
}

// Stats returns the counters as they are now.
func (db *DB) Stats() Stats {
	db.mu.Lock()
	defer db.mu.Unlock()
	s := db.stats
	s.Durable = db.durable
	s.Waiting = db.queue.n
	return s
}
