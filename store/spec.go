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
	// Hint names an index, as query.Options does; empty: the planner's choice. Run
	// and Plan take no heed of a hint that cannot be followed, for it changes no
	// result; the methods of Query return the error.
	Hint string

	cache *planCache // shared by copies; nil: each run plans
}

// planCache keeps the plan that was made last, and the last of those to count by.
type planCache struct{ last, count atomic.Pointer[planned] }

// planned is a plan and what it was made for.
type planned struct {
	query.Plan
	matcher *query.Matcher
	sorter  *query.Sorter
	need    int
	hint    string
	plans   uint64 // of the version
	size    int    // of the collection

	index  int   // place of Plan.Index in the version's indexes
	parts  []int // the same for each of Plan.Parts
	exact  bool  // documents tie in the sort just where their index keys are equal
	misled error // the hint cannot be followed, and this is another plan
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
	if sp.cache == nil {
		return sp.newPlan(v, sp.Sorter)
	}
	return sp.planIn(&sp.cache.last, v, sp.Sorter)
}

// countPlan is plan where the order does not matter.
func (sp *Spec) countPlan(v *version) *planned {
	if sp.cache == nil {
		return sp.newPlan(v, nil)
	}
	return sp.planIn(&sp.cache.count, v, nil)
}

func (sp *Spec) planIn(cache *atomic.Pointer[planned], v *version, sorter *query.Sorter) *planned {
	p := cache.Load()
	if p == nil || !p.madeFor(sp, v, sorter) {
		p = sp.newPlan(v, sorter)
		cache.Store(p)
	}
	return p
}

func (sp *Spec) newPlan(v *version, sorter *query.Sorter) *planned {
	need, have := sp.need(), v.infos()
	p := &planned{matcher: sp.Matcher, sorter: sorter, need: need, hint: sp.Hint, plans: v.plans, size: v.pages.n}
	o := query.Options{Hint: sp.Hint, Docs: v.pages.n}
	if p.Plan, p.misled = query.ChooseWith(sp.matcher(), sorter, need, have, o); p.misled != nil {
		o.Hint = ""
		p.Plan, _ = query.ChooseWith(sp.matcher(), sorter, need, have, o) // it is hints that can fail
	}
	p.Cost = min(p.Cost, v.pages.n) // nothing is known of the size of an empty collection
	switch p.Access {
	case query.ByIndex:
		p.index = v.indexNamed(p.Index)
		p.exact = sorter != nil && lastPath(sorter.Keys()) == lastPath(v.indexes[p.index].key.Keys())
	case query.ByUnion:
		p.parts = make([]int, len(p.Parts))
		for i := range p.Parts {
			p.parts[i] = v.indexNamed(p.Parts[i].Index)
		}
	}
	return p
}

// madeFor reports whether the plan is still a good one.
func (p *planned) madeFor(sp *Spec, v *version, sorter *query.Sorter) bool {
	return p.plans == v.plans && p.matcher == sp.Matcher && p.sorter == sorter && p.need == sp.need() &&
		p.hint == sp.Hint && v.pages.n >= p.size/2 && v.pages.n <= 2*p.size
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
