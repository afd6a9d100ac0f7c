package store

import (
	"iter"
	"sync/atomic"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// Spec is a query compiled: what an observer needs to keep its result, and to run
// it again. It is not to be changed once it has run; a copy may be.
type Spec struct {
	Store      *Store
	Collection string
	Matcher    *query.Matcher
	Sorter     *query.Sorter // nil: the order of insertion
	Skip       int
	Limit      int           // 0: none
	Fields     *query.Fields // nil: whole documents

	cache *planCache // shared by copies; nil: each run plans
}

// planCache keeps the plan that was made last.
type planCache struct{ last atomic.Pointer[planned] }

// planned is a plan and what it was made for.
type planned struct {
	query.Plan
	matcher *query.Matcher
	sorter  *query.Sorter
	need    int
	plans   uint64 // of the version
	size    int    // of the collection

	index int  // place of Plan.Index in the version's indexes
	exact bool // documents tie in the sort just where their index keys are equal
}

// everything is the matcher of a Spec that has none.
var everything = func() *query.Matcher {
	m, err := query.Compile(nil)
	if err != nil {
		panic(err)
	}
	return m
}()

func (sp *Spec) matcher() *query.Matcher {
	if sp.Matcher == nil {
		return everything
	}
	return sp.Matcher
}

// need returns the number of documents wanted, 0 for all.
func (sp *Spec) need() int {
	if sp.Limit <= 0 {
		return 0
	}
	return max(sp.Skip, 0) + sp.Limit
}

// Run yields the documents of the result with their slots, in the order of the
// result and before the projection, as they are in a snapshot. It plans anew only
// if the indexes, or the size of the collection by half, are others than at the
// last run.
func (sp *Spec) Run(s *Snapshot) iter.Seq2[uint64, ejson.Doc] {
	return func(yield func(uint64, ejson.Doc) bool) {
		if v := s.version(sp.Collection); v != nil {
			sp.run(v, yield)
		}
	}
}

// Project returns what the query shows of a document that it selects.
func (sp *Spec) Project(d ejson.Doc) ejson.Doc {
	if !sp.Fields.Positional() {
		return sp.Fields.Apply(d)
	}
	at, _ := sp.matcher().MatchAt(d)
	return sp.Fields.ApplyAt(d, at)
}

// Plan returns how the query would be answered in a snapshot.
func (sp *Spec) Plan(s *Snapshot) query.Plan {
	v := s.version(sp.Collection)
	if v == nil {
		v = &version{}
	}
	return sp.plan(v).Plan
}

// plan returns the plan for a version of the collection.
func (sp *Spec) plan(v *version) *planned {
	need := sp.need()
	if sp.cache != nil {
		p := sp.cache.last.Load()
		if p != nil && p.madeFor(sp, v, need) {
			return p
		}
	}
	p := &planned{matcher: sp.Matcher, sorter: sp.Sorter, need: need, plans: v.plans, size: v.pages.n}
	p.Plan = query.Choose(sp.matcher(), sp.Sorter, need, v.infos())
	p.Cost = min(p.Cost, v.pages.n) // without an index the planner knows no size
	if p.Access == query.ByIndex {
		p.index = v.indexNamed(p.Index)
		p.exact = sp.Sorter != nil && lastPath(sp.Sorter.Keys()) == lastPath(v.indexes[p.index].key.Keys())
	}
	if sp.cache != nil {
		sp.cache.last.Store(p)
	}
	return p
}

// madeFor reports whether the plan is still a good one.
func (p *planned) madeFor(sp *Spec, v *version, need int) bool {
	return p.plans == v.plans && p.matcher == sp.Matcher && p.sorter == sp.Sorter && p.need == need &&
		v.pages.n >= p.size/2 && v.pages.n <= 2*p.size
}

// lastPath returns the last of some sort keys without its direction. Where sort
// and index end in the same path, and the plan is a sorted one, they order by the
// same values.
func lastPath(keys []string) string {
	if len(keys) == 0 {
		return ""
	}
	k := keys[len(keys)-1]
	if k != "" && k[0] == '-' {
		return k[1:]
	}
	return k
}

// infos describes the indexes to the planner.
func (v *version) infos() []query.Index {
	if len(v.indexes) == 0 {
		return nil
	}
	have := make([]query.Index, len(v.indexes))
	for i, x := range v.indexes {
		have[i] = x.info()
	}
	return have
}

// indexNamed returns the place of an index, -1 where it is not there.
func (v *version) indexNamed(name string) int {
	for i, x := range v.indexes {
		if x.name == name {
			return i
		}
	}
	return -1
}
