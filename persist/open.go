package persist

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Open opens the file, or makes it with mode 0600, and starts its writer. While
// another process has the file it waits, until ctx is done: then the error is
// ErrLocked and names the other process if that can be found out. ctx does not
// concern the DB that is returned.
//
// The file is verified first, as far as can be done without reading every
// document; Records verifies those. A file that is of a newer format
// (ErrFormat), not ours (ErrNotReplica) or damaged (ErrDamaged) is refused and
// not changed. Nothing is written to an existing file before the first Append.
func Open(ctx context.Context, path string, opts Options) (*DB, error) {
	opts = opts.withDefaults()
	for wait := 2 * time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		db, err := tryOpen(path, opts)
		if err == nil {
			go db.run()
			return db, nil
		}
		if err != errBusy {
			return nil, within("open", path, err)
		}
		if err := pause(ctx, wait); err != nil {
			return nil, locked(path, err)
		}
	}
}

// errBusy says that the file is locked, or was replaced while we waited.
var errBusy = errors.New("busy")

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// locked is the error of whoever has waited in vain.
func locked(path string, why error) error {
	by := "another process"
	switch pid := lockHolder(path); pid {
	case 0:
	case os.Getpid():
		by = fmt.Sprintf("this process (%d)", pid)
	default:
		by = fmt.Sprintf("process %d", pid)
	}
	return &lockedError{path: path, by: by, why: why}
}

// lockedError is ErrLocked, and why the wait for the lock has ended, which is not
// worth a word to people.
type lockedError struct {
	path, by string
	why      error
}

func (e *lockedError) Error() string {
	return fmt.Sprintf("persist: open %q: %v by %s; stop it, or ask it instead of the file", e.path, ErrLocked, e.by)
}

func (e *lockedError) Unwrap() []error { return []error{ErrLocked, e.why} }

// errNotOurs is an ErrNotReplica that says what was met.
func errNotOurs(format string, args ...any) error {
	return fmt.Errorf("%w but %s; it was not changed: choose another name", ErrNotReplica, fmt.Sprintf(format, args...))
}

// tryOpen opens the file if it is free.
func tryOpen(path string, opts Options) (*DB, error) {
	empty, err := probe(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(path, opts.Label); err != nil {
			return nil, err
		}
		empty, err = probe(path)
	}
	if err != nil {
		return nil, err
	}
	if !empty {
		if err := inspect(path, nil); err != nil {
			return nil, err
		}
	}
	bolt, file, err := openBolt(path, false)
	if err != nil {
		return nil, err
	}
	db, err := attach(path, opts, bolt, file)
	if err != nil {
		guard(bolt.Close)
		return nil, err
	}
	return db, nil
}

// attach makes a DB of an open file.
func attach(path string, opts Options, bolt *bbolt.DB, file *os.File) (*DB, error) {
	// Whoever had the lock may have put another file in the place of this one.
	mine, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if there, err := os.Stat(path); err != nil || !os.SameFile(mine, there) {
		return nil, errBusy
	}
	db := &DB{
		path: path, opts: opts, bolt: bolt, file: file,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	err = guard(func() error {
		if err := format(bolt, opts.Label); err != nil {
			return err
		}
		return bolt.View(func(tx *bbolt.Tx) error {
			st, err := loadState(tx)
			if err != nil {
				return err
			}
			label, err := getSealed(tx.Bucket(metaBucket), labelKey)
			if err != nil {
				return err
			}
			db.label = string(label)
			w := &db.w
			w.bolt, w.file, w.state, w.limits, w.size = bolt, file, st, opts.fold, tx.Size()
			w.ahead.kept, w.ahead.used, err = readAhead(tx, st)
			w.ahead.at, w.ahead.salt, w.ahead.last = findAhead(tx, file), st.salt, st.seq
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	st := db.w.state
	db.queue = queue{limit: queueLimit, written: map[string]uint64{}}
	for _, c := range st.collections {
		db.queue.written[c.name] = c.top
	}
	if kept := db.w.ahead.kept; kept != nil {
		db.w.ahead.last = kept.last
		for _, g := range kept.groups {
			db.queue.written[g.collection] = max(db.queue.written[g.collection], g.top)
		}
	}
	db.seq = db.w.ahead.last
	db.durable, db.queue.last = db.seq, db.seq
	db.stats.LogBytes, db.stats.BaseBytes = int64(st.logBytes()), int64(st.baseBytes())
	return db, nil
}

// probe looks at a path without opening it.
func probe(path string) (empty bool, err error) {
	info, err := os.Stat(path)
	switch {
	case path == "":
		return false, errors.New("the path is empty; name a file")
	case err != nil:
		return false, err
	case info.IsDir():
		return false, fmt.Errorf("it is a directory; name a file in it, such as %q", filepath.Join(path, "replica.db"))
	case !info.Mode().IsRegular():
		return false, errNotOurs("a %s", kind(info.Mode()))
	}
	return info.Size() == 0, nil
}

// kind says what something is that is neither a file nor a folder.
func kind(m fs.FileMode) string {
	switch {
	case m&fs.ModeDevice != 0:
		return "device"
	case m&fs.ModeNamedPipe != 0:
		return "named pipe"
	case m&fs.ModeSocket != 0:
		return "socket"
	}
	return "special file"
}

// openBolt opens a bbolt file that has been verified, or to be verified if only
// to read. It does not wait for the lock but returns errBusy.
func openBolt(path string, readOnly bool) (bolt *bbolt.DB, file *os.File, err error) {
	o := &bbolt.Options{
		Timeout:        1, // of a nanosecond: one attempt
		ReadOnly:       readOnly,
		NoFreelistSync: true, // the list is found by walking the pages, which we do anyhow
		FreelistType:   bbolt.FreelistMapType,
		PageSize:       pageSize,
		OpenFile: func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
			file, err = os.OpenFile(name, flag, mode)
			return file, err
		},
	}
	err = guard(func() (err error) {
		bolt, err = bbolt.Open(path, 0o600, o)
		return err
	})
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, nil, errBusy
	}
	if err != nil && file != nil {
		file.Close() // where bbolt panicked it has not
	}
	return bolt, file, err
}

// inspect verifies a file under a shared lock, before it is opened to write and
// bbolt trusts it. Then it calls more, if given.
func inspect(path string, more func(*bbolt.DB, os.FileInfo) error) (err error) {
	bolt, file, err := openBolt(path, true)
	if err == errBusy {
		return err
	}
	if err != nil {
		// Say what it is in our words, if they are better than bbolt's.
		f, ferr := os.Open(path)
		if ferr != nil {
			return ferr
		}
		defer f.Close()
		info, ferr := f.Stat()
		if ferr != nil {
			return ferr
		}
		if ferr := checkPages(f, info.Size()); ferr != nil {
			return ferr
		}
		return err
	}
	defer guard(bolt.Close)
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if err := checkPages(file, info.Size()); err != nil {
		return err
	}
	err = guard(func() error {
		return bolt.View(func(tx *bbolt.Tx) error {
			fresh, err := checkFormat(tx)
			if err == nil && !fresh {
				_, err = open(tx)
			}
			return err
		})
	})
	if err != nil || more == nil {
		return err
	}
	return more(bolt, info)
}

// format makes an empty bbolt file one of ours.
func format(bolt *bbolt.DB, label string) error {
	var fresh bool
	err := bolt.View(func(tx *bbolt.Tx) (err error) {
		fresh, err = checkFormat(tx)
		return err
	})
	if err != nil || !fresh {
		return err
	}
	// Twice, so that both of bbolt's meta pages know of it: if one is damaged
	// later, what the other says is still a file of ours.
	for range 2 {
		if err := bolt.Update(func(tx *bbolt.Tx) error { return initialise(tx, label) }); err != nil {
			return err
		}
	}
	return nil
}

// create makes an empty file at the path, or where a symbolic link there leads to, all at
// once or not at all. It is no error if somebody else has made it meanwhile.
func create(path, label string) error {
	if to, err := os.Readlink(path); err == nil {
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		return create(to, label) // not without end: a circle is an error of its own before
	}
	tmp, err := build(path, func(bolt *bbolt.DB) error { return format(bolt, label) })
	if err != nil {
		return err
	}
	defer os.Remove(tmp)
	if err := os.Link(tmp, path); err != nil && !errors.Is(err, fs.ErrExist) {
		// A file system without links. An empty file is the next best: Open
		// formats it in place, under its lock.
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return err
		}
		return f.Close()
	}
	syncFolder(path)
	return nil
}

// build makes a file beside path, has it filled, syncs it and returns its name.
func build(path string, fill func(*bbolt.DB) error) (tmp string, err error) {
	dir := filepath.Dir(path)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("there is no folder %q: make it first", dir)
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".new-*")
	if err != nil {
		if p := (*fs.PathError)(nil); errors.As(err, &p) {
			err = p.Err
		}
		return "", fmt.Errorf("no file can be made in the folder %q: %w", dir, err)
	}
	tmp = f.Name()
	defer func() {
		if err != nil {
			os.Remove(tmp)
		}
	}()
	if err := f.Close(); err != nil {
		return tmp, err
	}
	bolt, _, err := openBolt(tmp, false)
	if err != nil {
		return tmp, err
	}
	if err := guard(func() error { return fill(bolt) }); err != nil {
		return tmp, errors.Join(err, guard(bolt.Close))
	}
	return tmp, guard(bolt.Close)
}

// syncFolder makes a new name in a folder durable, where the system can.
func syncFolder(path string) {
	if d, err := os.Open(filepath.Dir(path)); err == nil {
		d.Sync()
		d.Close()
	}
}
