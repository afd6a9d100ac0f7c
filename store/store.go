package store

import (
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/replicad/replicad/ddp/ejson"
)

// Options configure a Store. The zero value keeps everything in memory.
type Options struct {
	Journal Journal // nil: nothing is written to disk
	// NewID makes the string ids of documents that have none; nil: 17 random characters, as
	// the server makes them. It is called with the writer's lock held.
	NewID  func() string
	Logger *slog.Logger // nil: silent
}

// Store is a set of collections. Its methods may be called from any goroutine.
//
// Locks are taken in the order in which they stand here.
type Store struct {
	journal Journal
	newID   func() string
	log     *slog.Logger

	mu      sync.Mutex // the writer's: held while a transaction runs, commits and is told
	closed  bool
	loaded  bool // documents were loaded, or a commit was made
	told    []*tail
	scratch []builder  // memory for each index of a collection
	spares  []*overlay // memory for the parts of a transaction; the last goes to the first

	opened    bool          // loaded, or Load was called: definitions are written at once
	unwritten bool          // definitions of indexes go with the next commit
	sweeping  chan struct{} // closed to end the sweeps; nil: there are none
	sweeps    sync.WaitGroup

	view    sync.Mutex     // guards what follows; held for a step, never for a user's function
	tables  []*table       // appended to with mu held, too
	numbers map[string]int // changed with mu held, too
	shared  bool           // a snapshot has numbers: they are copied before they are changed
	dirty   []*table       // to be published
	seq     Seq
	stamp   uint64 // of nodes and blocks made since the last publication

	tailMu sync.Mutex // guards tails; a leaf
	tails  map[string][]*tail

	moment  atomic.Uint64 // counts what makes current stale; written with view held
	current atomic.Pointer[Snapshot]
}

// New returns an empty store. It starts no goroutine; indexes by which documents
// expire have one for all of them, which Close ends.
func New(opts Options) *Store {
	s := &Store{
		journal: opts.Journal,
		newID:   opts.NewID,
		log:     opts.Logger,
		numbers: map[string]int{},
		tails:   map[string][]*tail{},
		stamp:   1,
	}
	if s.newID == nil {
		s.newID = new(idSource).next
	}
	if s.log == nil {
		s.log = slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError + 1}))
	}
	s.current.Store(&Snapshot{store: s})
	return s
}

// Update runs fn with the writer's lock held and commits what it did, or nothing
// if fn returns an error, which Update returns as it is, or panics, which Update
// lets pass. It returns the Seq of the commit or, where fn changed nothing, of the
// last commit before it; then nobody is told and nothing is written.
//
// fn must not call Update of the same store, nor anything else that writes to it
// other than through its Tx: that panics where it would wait for itself. It may
// read snapshots, which do not show what fn has done.
//
// Update waits for other writers, and for nothing else.
func (s *Store) Update(fn func(*Tx) error) (Seq, error) { return s.update(nil, fn) }

// UpdateAs is Update by the owner of claimed collections; see [Store.Claim].
func (s *Store) UpdateAs(owner any, fn func(*Tx) error) (Seq, error) { return s.update(owner, fn) }

// Claim makes owner the only one who may write to the collections, by UpdateAs:
// writes by anybody else give ErrReplicated. A collection has one owner, the last
// who claimed it; a nil owner gives it back to everybody. Owners are compared with
// ==, so a pointer is a good one.
func (s *Store) Claim(owner any, collections ...string) {
	s.lock()
	defer s.mu.Unlock()
	for _, name := range collections {
		s.table(name).owner = owner
	}
}

// Collection returns the untyped collection of that name, made on first write.
func (s *Store) Collection(name string) Collection[ejson.Doc] { return Of[ejson.Doc](s, name) }

// Logger returns the logger of the options, or one that is silent; never nil.
func (s *Store) Logger() *slog.Logger { return s.log }

// Close waits for a transaction that is running, ends the removal of expired
// documents, and makes every later write return ErrClosed. Reads go on to work. It
// may be called more than once.
func (s *Store) Close() error {
	s.lock()
	if s.closed = true; s.sweeping != nil {
		close(s.sweeping)
		s.sweeping = nil
	}
	s.mu.Unlock()
	s.sweeps.Wait()
	return nil
}

func (s *Store) update(owner any, fn func(*Tx) error) (Seq, error) {
	s.lock()
	// The lock is given back also when fn panics or leaves by runtime.Goexit.
	defer s.mu.Unlock()
	if s.closed {
		return 0, ErrClosed
	}
	tx := &Tx{s: s, owner: owner}
	tx.parts = tx.few[:0]
	defer tx.end()
	return s.transact(tx, fn)
}

// transact runs fn, commits, and tells. It must not be inlined: lock looks for it
// in the goroutine's stack.
//
//go:noinline
func (s *Store) transact(tx *Tx, fn func(*Tx) error) (Seq, error) {
	if err := fn(tx); err != nil {
		return 0, err
	}
	if tx.err != nil {
		return 0, tx.err
	}
	return s.commit(tx)
}

// bigCommit is the number of changes from which a commit that is to be applied
// first publishes the moment before it, if nobody has read that yet, so that
// readers need not wait. Below it they wait for a millisecond at most; publishing
// before each batch of a hundred would copy a page for nearly each change.
const bigCommit = 1024

// commit makes one commit of what a transaction has gathered.
//
// The order is: the changes are listed, and nothing has happened; unique indexes
// have no objection; the journal takes them, or refuses; they are applied, which
// cannot fail; the moment moves on, and readers see them; the tails are told.
func (s *Store) commit(tx *Tx) (Seq, error) {
	c := tx.changes()
	if c == nil {
		if tx.table != nil {
			s.view.Lock()
			defer s.view.Unlock()
			s.setIndexes(tx.table, tx.indexes)
		}
		return s.seq, nil
	}
	if err := tx.checkUnique(c); err != nil {
		return 0, err
	}
	if s.unwritten {
		tx.writeDefinitions()
		c = tx.changes()
	}
	if s.journal != nil {
		if err := s.journal.Append(c); err != nil {
			return 0, fmt.Errorf("store: commit %d: %w", c.Seq, err)
		}
	}
	s.unwritten = false
	s.apply(c, tx)
	s.tell(c)
	return c.Seq, nil
}

func (s *Store) apply(c *Commit, tx *Tx) {
	for _, o := range tx.parts {
		if o.table == nil && len(o.writes) > 0 {
			o.table = s.table(o.name)
		}
	}
	s.view.Lock()
	defer s.view.Unlock()
	if len(c.Changes) >= bigCommit {
		s.publishLocked(s.moment.Load())
	}
	rest := c.Changes
	for _, o := range tx.parts {
		n := o.changed
		if n == 0 {
			continue
		}
		s.mark(o.table)
		o.table.begin(n, o.inserts)
		for i := range o.writes {
			if w := &o.writes[i]; w.differs {
				o.table.apply(&rest[0], w.hash, s)
				rest = rest[1:]
			}
		}
		o.table.reindex(c.Changes[len(c.Changes)-len(rest)-n:len(c.Changes)-len(rest)], s)
		o.table.end()
	}
	if tx.table != nil {
		s.setIndexes(tx.table, tx.indexes)
	}
	s.seq = c.Seq
	s.loaded, s.opened = true, true
	s.advanceLocked()
}
