package store

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// ranking sorts documents, and keeps no more of them than are wanted.
type ranking struct {
	sorter *query.Sorter
	most   int // 0: all
	rows   []row
	keys   []byte // memory of the rows' keys where all are kept
	next   []byte // the key of the document at hand
}

// row is a document and bytes that sort as it does.
type row struct {
	key  []byte
	slot uint64
	doc  ejson.Doc
}

// add takes a document into account, and wants more. Where a number is wanted, rows is
// a heap of the best so far with the worst of them on top.
func (r *ranking) add(slot uint64, d ejson.Doc) bool {
	if r.most == 0 {
		n := len(r.keys)
		r.keys = r.sorter.AppendKey(r.keys, d)
		// Keys made before keep the old array when this one moves.
		r.rows = append(r.rows, row{r.keys[n:len(r.keys):len(r.keys)], slot, d})
		return true
	}
	r.next = r.sorter.AppendKey(r.next[:0], d)
	if len(r.rows) < r.most {
		r.rows = append(r.rows, row{bytes.Clone(r.next), slot, d})
		r.up(len(r.rows) - 1)
		return true
	}
	if worst := &r.rows[0]; bytes.Compare(r.next, worst.key) < 0 {
		worst.key = append(worst.key[:0], r.next...)
		worst.slot, worst.doc = slot, d
		r.down(0)
	}
	return true
}

func (r *ranking) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if bytes.Compare(r.rows[i].key, r.rows[parent].key) <= 0 {
			return
		}
		r.rows[i], r.rows[parent] = r.rows[parent], r.rows[i]
		i = parent
	}
}

func (r *ranking) down(i int) {
	for {
		c := 2*i + 1
		if c >= len(r.rows) {
			return
		}
		if c+1 < len(r.rows) && bytes.Compare(r.rows[c+1].key, r.rows[c].key) > 0 {
			c++
		}
		if bytes.Compare(r.rows[c].key, r.rows[i].key) <= 0 {
			return
		}
		r.rows[i], r.rows[c] = r.rows[c], r.rows[i]
		i = c
	}
}

// sorted returns the rows in order.
func (r *ranking) sorted() []row {
	slices.SortFunc(r.rows, func(a, b row) int { return bytes.Compare(a.key, b.key) })
	return r.rows
}

func bySlot(l []located) {
	slices.SortFunc(l, func(a, b located) int { return cmp.Compare(a.slot, b.slot) })
}
