package main

import (
	"bufio"
	"bytes"
	"context"
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

// readLines reads JSON lines. Blank lines are skipped; a fault names its line.
func readLines(r io.Reader, yield func(ejson.Doc) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	n := 0
	for lines.Scan() {
		n++
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		d, err := ejson.Parse(text)
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if err := yield(d); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("line %d: %w", n+1, err)
	}
	return nil
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
		return readLines(in, func(d ejson.Doc) error {
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
