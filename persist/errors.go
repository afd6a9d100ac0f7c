package persist

import (
	"errors"
	"fmt"
	"io/fs"
)

var (
	// ErrLocked is what Open returns when its context ends while another
	// process, or another DB of this one, has the file.
	ErrLocked = errors.New("file is locked")

	// ErrFormat is what Open returns for a file whose format this build does
	// not know. A *FormatError has the numbers.
	ErrFormat = errors.New("unknown file format")

	// ErrNotReplica is what Open returns for a file that replicad did not make.
	ErrNotReplica = errors.New("not a replicad file")

	// ErrDamaged is what is returned when the bytes of a file contradict one
	// another. A *DamageError says where. The file is left as it was found.
	ErrDamaged = errors.New("damaged file")

	// ErrClosed is returned by Append and Flush after Close.
	ErrClosed = errors.New("persist: closed")
)

// FormatError is an ErrFormat with what was met and what was wanted.
type FormatError struct {
	Path   string
	Format int // of the file's layout
	Docs   int // of the documents in it, as ejson.Format
	// What this build reads and writes.
	WantFormat, WantDocs int
}

// Error names the file, both formats and the way out.
func (e *FormatError) Error() string {
	hint := "open it with the program that made it, or move it away to fetch the data anew"
	if e.Format > e.WantFormat || e.Docs > e.WantDocs {
		hint = "a newer replicad made it: open it with that one, or move it away to fetch the data anew"
	}
	return fmt.Sprintf("persist: open %q: file format %d with documents of format %d; this build reads %d and %d (%s)",
		e.Path, e.Format, e.Docs, e.WantFormat, e.WantDocs, hint)
}

// Is reports whether target is ErrFormat.
func (e *FormatError) Is(target error) bool { return target == ErrFormat }

// DamageError is an ErrDamaged with its place.
type DamageError struct {
	Path   string
	Detail string // what contradicts what, for people

	err error
}

// Error names the file, what is wrong with it and the way out.
func (e *DamageError) Error() string {
	return fmt.Sprintf("persist: %q is damaged: %s (nothing was changed; put a copy in its place, or move it away to fetch the data anew)",
		e.Path, e.Detail)
}

// Is reports whether target is ErrDamaged.
func (e *DamageError) Is(target error) bool { return target == ErrDamaged }

// Unwrap returns the cause, where there is one besides what was read.
func (e *DamageError) Unwrap() error { return e.err }

// damage is a DamageError before it has a path.
type damage string

func (d damage) Error() string { return string(d) }

func damaged(format string, args ...any) error { return damage(fmt.Sprintf(format, args...)) }

// within gives err the path of its file and says what was being done.
func within(doing, path string, err error) error {
	var d damage
	var f *FormatError
	var p *fault
	switch {
	case err == nil:
		return nil
	case errors.As(err, &d):
		return &DamageError{Path: path, Detail: string(d)}
	case errors.As(err, &p):
		return &DamageError{Path: path, Detail: p.Error(), err: p}
	case errors.As(err, &f):
		f.Path = path
		return f
	}
	if p, ok := err.(*fs.PathError); ok && p.Path == path {
		err = p.Err // the path is named once
	}
	return fmt.Errorf("persist: %s %q: %w", doing, path, err)
}
