package observe

import (
	"iter"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// Options are how an observation starts. The zero value is what Start does.
type Options struct {
	// Chunk is the largest number of documents in a batch of the initial result.
	// All its batches are First and have the same Seq; all but the last say More.
	// So the documents of a large result become events, and Ts, a part at a time:
	// each part can be forgotten when the next is made. 0: one batch has it all.
	Chunk int
	// SkipInitial leaves the initial result out: the first batch is the first
	// change. A result without an order is then not even read.
	SkipInitial bool
}

// Forms that take the initial result document by document take it in chunks: 1,024
// events are some 200 KiB.
const usualChunk = 1024

// initial is the result that an observation begins with.
type initial struct {
	seq  store.Seq
	res  *result
	docs iter.Seq[ejson.Doc] // before the projection
}

// batches yields it as events, at least one batch. It holds no lock.
func (in initial) batches(o Options) iter.Seq[docBatch] {
	return func(yield func(docBatch) bool) {
		if o.SkipInitial {
			return
		}
		var docs []ejson.Doc
		told := 0
		for d := range in.docs {
			if o.Chunk > 0 && len(docs) == o.Chunk {
				if !yield(in.batch(docs, told, true)) {
					return
				}
				told += len(docs)
				docs = docs[:0]
			}
			docs = append(docs, d)
		}
		yield(in.batch(docs, told, false))
	}
}

// batch makes events of documents that follow the first told ones.
func (in initial) batch(docs []ejson.Doc, told int, more bool) docBatch {
	events := make([]docEvent, len(docs))
	for i, d := range docs {
		d = in.res.project(d)
		to := -1
		if in.res.order != nil {
			to = told + i
		}
		events[i] = docEvent{Kind: Added, ID: d.ID(), New: d, From: -1, To: to}
	}
	return docBatch{Seq: in.seq, First: true, More: more, Events: events}
}
