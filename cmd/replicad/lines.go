package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

const (
	maxLine    = 64 << 20 // bytes in one line of JSON lines
	batchLines = 1000     // lines in one transaction
)

// readLines reads EJSON lines. Blank lines are skipped; a fault names its line.
func readLines(r io.Reader, yield func(ejson.Doc) error) error {
	return eachLine(r, func(_ int, text []byte) (ejson.Doc, error) { return ejson.Parse(text) }, yield)
}

// readDocuments is readLines of a file of people's: it may be extended JSON, and what is
// JSON, but not in lines, is told how to become that.
func readDocuments(r io.Reader, yield func(ejson.Doc) error) error {
	return eachLine(r, func(n int, text []byte) (ejson.Doc, error) {
		if n == 1 {
			text = bytes.TrimPrefix(text, []byte("\ufeff"))
		}
		d, err := parseDoc(text)
		switch {
		case err == nil:
		case bytes.HasPrefix(text, []byte("[")):
			err = fmt.Errorf("%w; one object a line is wanted, which 'jq -c .[]' makes of a list", err)
		case n == 1 && string(text) == "{":
			err = fmt.Errorf("%w; one object a line is wanted, which 'jq -c .' makes of them", err)
		}
		return d, err
	}, yield)
}

// eachLine parses each line that is not blank, counted from 1, and ends at the first
// error.
func eachLine(r io.Reader, parse func(n int, text []byte) (ejson.Doc, error), yield func(ejson.Doc) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	n := 0
	for lines.Scan() {
		n++
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		d, err := parse(n, text)
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if err := yield(d); err != nil {
			return err
		}
	}
	err := lines.Err()
	if errors.Is(err, bufio.ErrTooLong) {
		err = fmt.Errorf("line %d: longer than %d MB", n+1, maxLine>>20)
	}
	return err
}

// loadLines puts the documents of a file of JSON lines into a collection. A
// document without _id is given one; a later one of the same _id replaces it.
func loadLines(ctx context.Context, s *store.Store, collection, file string, stdin io.Reader) error {
	in, name, err := openInput(file, stdin)
	if err != nil {
		return err
	}
	defer in.Close()
	batch := make([]ejson.Doc, 0, batchLines)
	flush := func() error {
		_, err := s.Update(func(tx *store.Tx) error {
			for _, d := range batch {
				if err := tx.Put(collection, d); err != nil {
					return err
				}
			}
			return nil
		})
		batch = batch[:0]
		return err
	}
	err = unlessDone(ctx, func() error {
		return readDocuments(in, func(d ejson.Doc) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if batch = append(batch, withID(d)); len(batch) < batchLines {
				return nil
			}
			return flush()
		})
	})
	if err == nil {
		err = flush()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// unlessDone runs fn, and leaves it alone where ctx is done first: a read of a
// terminal or a pipe cannot be broken off.
func unlessDone(ctx context.Context, fn func() error) error {
	done := make(chan error, 1)
	go func() { done <- fn() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// openInput opens a file, or standard input for "-".
func openInput(file string, stdin io.Reader) (in io.ReadCloser, name string, err error) {
	if file == "-" {
		return io.NopCloser(stdin), "standard input", nil
	}
	in, err = os.Open(file)
	return in, file, err
}

// withID returns d with an _id, made up where it has none.
func withID(d ejson.Doc) ejson.Doc {
	if !d.ID().IsZero() {
		return d
	}
	return d.WithID(ejson.StringID(ddp.NewID()))
}
