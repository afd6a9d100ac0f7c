package query

import (
	"iter"

	"github.com/replicad/replicad/ddp/ejson"
)

// Path is a compiled dotted path, to take values out of documents as $distinct
// and a sort do. It is immutable; share it freely.
type Path struct{ path path }

// CompilePath takes a dotted path apart.
func CompilePath(dotted string) (*Path, error) {
	p, err := makePath(dotted)
	if err != nil {
		return nil, err
	}
	return &Path{p}, nil
}

// Values yields what the path leads to in d: the elements of a list at its end
// one by one, and what lies in each document of a list on the way. What is not
// there yields nothing.
func (p *Path) Values(d ejson.Doc) iter.Seq[ejson.Value] {
	return func(yield func(ejson.Value) bool) {
		b := brancher{present: true}
		b.walk(d.Value(), p.path.segs, 0, true)
		for i := range b.list {
			if !yield(b.list[i].v) {
				return
			}
		}
	}
}

// String returns the path as it was given.
func (p *Path) String() string { return p.path.text }
