package store

import (
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
)

// records yields a collection as a file would.
func records(s *Store, collection string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for slot, d := range s.Snapshot().Each(collection) {
			if !yield(Record{collection, slot, d}, nil) {
				return
			}
		}
	}
}

func listed(rs ...Record) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for _, r := range rs {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func TestLoad(t *testing.T) {
	s := New(Options{})
	if err := s.Collection("b").Index("balance"); err != nil {
		t.Fatal(err)
	}
	told := 0
	_, stop := s.Tail("", func(*Commit) { told++ })
	defer stop()
	empty := s.Snapshot()
	// Collections may take turns, as they do in a log.
	err := s.Load(41, listed(
		Record{"a", 3, account("x", 1)}, Record{"b", 0, account("x", 5)},
		Record{"a", 1 << 40, account("y", 2)}, Record{"b", 7, account("z", 6)}))
	if err != nil {
		t.Fatal(err)
	}
	snap := s.Snapshot()
	if snap.Seq() != 41 || told != 0 || empty.Len("a") != 0 || !slices.Equal(snap.Collections(), []string{"a", "b"}) {
		t.Errorf("seq %d, told %d, %v", snap.Seq(), told, snap.Collections())
	}
	var slots []uint64
	for slot := range snap.Each("a") {
		slots = append(slots, slot)
	}
	if !slices.Equal(slots, []uint64{3, 1 << 40}) {
		t.Errorf("slots %v", slots)
	}
	if n, err := s.Collection("b").Find(m{"balance": m{"$gt": 5}}).Count(); n != 1 || err != nil {
		t.Errorf("by an index made before the load: %d %v", n, err)
	}
	var c *Commit
	_, stop2 := s.Tail("a", func(told *Commit) { c = told })
	defer stop2()
	if _, err := s.Collection("a").InsertOne(account("w", 1)); err != nil {
		t.Fatal(err)
	}
	if c.Seq != 42 || c.Changes[0].Slot != 1<<40+1 {
		t.Errorf("after the load: commit %d, slot %d", c.Seq, c.Changes[0].Slot)
	}
	if err := s.Load(50, listed()); !errors.Is(err, ErrLoaded) {
		t.Errorf("a second load: %v", err)
	}
}

func TestLoadRefuses(t *testing.T) {
	broken := errors.New("checksum")
	for _, tt := range []struct {
		name    string
		records iter.Seq2[Record, error]
		is      error
		text    string
	}{
		{"error of the file", func(yield func(Record, error) bool) {
			_ = yield(Record{"a", 0, account("x", 1)}, nil) && yield(Record{}, broken)
		}, broken, "checksum"},
		{"same slot", listed(Record{"a", 1, account("x", 1)}, Record{"a", 1, account("y", 1)}), nil, "slot 1: slot out of order"},
		{"slot too large", listed(Record{"a", 1 << 48, account("x", 1)}), nil, "slot out of order"},
		{"same id", listed(Record{"a", 1, account("x", 1)}, Record{"a", 2, account("x", 1)}), ErrDuplicateID, `load "a", slot 2`},
		{"no document", listed(Record{"a", 1, ejson.Doc{}}), ErrNoID, ""},
		{"no id", listed(Record{"a", 1, ejson.Make()}), ErrNoID, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := New(Options{})
			err := s.Load(9, tt.records)
			if err == nil || tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %v", err)
			}
			if snap := s.Snapshot(); snap.Seq() != 0 || len(snap.Collections()) != 0 {
				t.Errorf("left %v at %d", snap.Collections(), snap.Seq())
			}
			if err := s.Load(9, listed(Record{"a", 1, account("x", 1)})); err != nil {
				t.Errorf("load after a load that failed: %v", err)
			}
		})
	}
}
