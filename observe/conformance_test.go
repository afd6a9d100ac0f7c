package observe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// TestConformanceObserve runs each case op by op and compares what the callbacks
// were told with the recorded answer, and the result so far with a fresh query.
// For observers without places the calls of a step are a set keyed by id. For
// those with places another sequence is accepted if its places fit each other, it
// leads to the same result, and it is not longer.
//
// Where ties of the sort were broken by habit (tieDependent) and where the
// recorded observer lost step with its query (stale), the query itself is the
// judge: our calls must lead to what it gives.
func TestConformanceObserve(t *testing.T) {
	files := []string{filepath.Join("testdata", "observe.jsonl")}
	if dir := os.Getenv("REPLICAD_VECTORS"); dir != "" {
		files = append(files, filepath.Join(dir, "observe.jsonl"))
	}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		var passed, failed, quirks int
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			c, err := ejson.Parse(lines.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			id := c.Field("id").Str()
			if reason, ok := deviations[id]; ok {
				t.Logf("%s: differs knowingly: %s", id, reason)
				quirks++
				continue
			}
			v := vector{doc: c}
			switch err := v.run(); {
			case err == nil:
				passed++
			case c.Field("quirk").Bool():
				t.Logf("%s: quirk: %v", id, err)
				quirks++
			default:
				failed++
				t.Errorf("%s %v: %v", id, c.Field("tags"), err)
			}
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
		f.Close()
		line := fmt.Sprintf("%s: %d passed, %d failed, %d quirks", filepath.Base(file), passed, failed, quirks)
		t.Log(line)
		fmt.Println(line)
	}
}

// deviations are the cases that we answer differently on purpose, with the
// reason that doc.go gives.
var deviations = map[string]string{
	"obs-61ebc30c": "a nil selector selects everything, in Go; on the wire null selects nothing",
	"obs-45b98dc4": "an empty string is no _id: the store makes one up",
}

// call is one call of a callback, or what was recorded of one.
type call struct {
	cb       string
	id       ejson.ID
	doc, old ejson.Doc // fields and what is cleared, for observeChanges
	cleared  []string
	at, from int
	before   ejson.ID
}

func (c call) String() string {
	return fmt.Sprintf("%s %v doc=%v old=%v cleared=%v at=%d from=%d before=%v", c.cb, c.id, c.doc, c.old, c.cleared, c.at, c.from, c.before)
}

// same compares what is known of two calls, field order aside.
func (c call) same(d call) bool {
	slices.Sort(c.cleared)
	slices.Sort(d.cleared)
	return c.cb == d.cb && c.id == d.id && c.doc.Same(d.doc) && c.old.Same(d.old) &&
		slices.Equal(c.cleared, d.cleared) && c.at == d.at && c.from == d.from && c.before == d.before
}

type vector struct {
	doc   ejson.Doc
	s     *store.Store
	coll  store.Collection[ejson.Doc]
	q     store.Query[ejson.Doc]
	names []string
	calls []call

	ordered bool
	whole   bool        // the calls tell the result, with an order in its order
	full    []call      // of a second observer with all callbacks, where these do not
	mine    []ejson.Doc // the result, by our calls
	theirs  []ejson.Doc // and by the recorded ones
	lost    bool        // theirs is not known
}

func strs(v ejson.Value) (list []string) {
	for _, e := range v.Array().All() {
		list = append(list, e.Str())
	}
	return list
}

func (v *vector) run() error {
	v.s = store.New(store.Options{})
	v.coll = v.s.Collection("c")
	for _, d := range v.doc.Field("initialDocs").Array().All() {
		if _, err := v.coll.InsertOne(d.Doc()); err != nil {
			return err
		}
	}
	spec := v.doc.Field("query").Doc()
	var selector any
	if sel := spec.Field("selector"); !sel.IsMissing() {
		selector = sel.Any()
	}
	v.q = v.coll.Find(selector)
	if x := spec.Field("sort"); !x.IsMissing() {
		v.q = v.q.SortSpec(x.Any())
	}
	if x := spec.Field("fields"); !x.IsMissing() {
		v.q = v.q.FieldsSpec(x.Any())
	}
	v.q = v.q.Skip(int(spec.Field("skip").Number())).Limit(int(spec.Field("limit").Number()))
	v.names = strs(v.doc.Field("callbacks"))
	for _, name := range v.names {
		v.ordered = v.ordered || strings.HasSuffix(name, "Before") || strings.HasSuffix(name, "At") || strings.HasSuffix(name, "To")
	}
	kinds := map[string]bool{}
	for _, name := range v.names {
		kinds[strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "Before"), "At"), "To")] = true
	}
	placed := kinds["moved"] && (slices.Contains(v.names, "addedAt") || slices.Contains(v.names, "addedBefore"))
	v.whole = kinds["added"] && kinds["changed"] && kinds["removed"] && (placed || !v.ordered)

	var second *Handle
	h, err := v.observe()
	if v.doc.Field("error").Bool() {
		if err == nil {
			h.Stop()
			return errors.New("no error where one was recorded")
		}
		return nil
	}
	if err != nil {
		return err
	}
	defer h.Stop()
	if !v.whole {
		all, err := v.observeAll()
		if err != nil {
			return err
		}
		defer all.Stop()
		second = all
	}
	quiet := v.doc.Field("suppressInitial").Bool()
	if quiet {
		v.mine, _ = v.q.All()
		v.theirs = v.mine
	}
	ties := v.doc.Field("tieDependent").Bool()
	v.lost = ties
	if err := v.compare(v.doc.Field("initial").Array(), ties); err != nil {
		return fmt.Errorf("initial: %w", err)
	}
	if err := v.fetched(); err != nil {
		return fmt.Errorf("initial: %w", err)
	}
	var resume func()
	stopped := false
	for i, op := range v.doc.Field("ops").Array().All() {
		step := v.doc.Field("steps").Array().At(i).Doc()
		var err error
		switch op := op.Doc(); op.Field("op").Str() {
		case "insert":
			_, err = v.coll.InsertOne(op.Field("doc").Doc())
		case "update":
			err = v.update(op)
		case "remove":
			_, err = v.coll.DeleteMany(op.Field("selector").Any())
		case "pause":
			resume = Pause(v.s)
		case "resume":
			if resume != nil {
				resume()
			}
			resume = nil
		case "stop":
			h.Stop()
			if second != nil {
				second.Stop()
			}
			stopped = true
		}
		if (err != nil) != step.Field("error").Bool() {
			return fmt.Errorf("op %d: error %v, recorded %v", i, err, step.Field("message"))
		}
		if resume == nil && !stopped {
			for _, h := range []*Handle{h, second} {
				if h == nil {
					continue
				}
				if err := h.Wait(context.Background(), v.s.Snapshot().Seq()); err != nil {
					return err
				}
			}
		}
		judge := ties || step.Field("stale").Bool()
		v.lost = v.lost || judge
		if err := v.compare(step.Field("events").Array(), judge); err != nil {
			return fmt.Errorf("op %d %v: %w", i, op, err)
		}
		if resume == nil && !stopped {
			if err := v.fetched(); err != nil {
				return fmt.Errorf("op %d %v: %w", i, op, err)
			}
		}
	}
	if resume != nil {
		resume()
	}
	final, err := v.q.All()
	if err != nil {
		return err
	}
	var ids, want []ejson.ID
	for _, d := range final {
		ids = append(ids, d.ID())
	}
	for _, x := range v.doc.Field("final").Array().All() {
		id, err := ejson.IDOf(x)
		if err != nil {
			return err
		}
		want = append(want, id)
	}
	if !ties && !slices.Equal(ids, want) {
		return fmt.Errorf("finally %v, recorded %v", ids, want)
	}
	return nil
}

func (v *vector) update(op ejson.Doc) error {
	sel, mod, opts := op.Field("selector").Any(), op.Field("modifier").Any(), op.Field("options")
	var err error
	switch {
	case opts.Kind() == ejson.Object && opts.Doc().Field("upsert").Bool():
		_, _, err = v.coll.UpsertOne(sel, mod)
	case opts.Kind() == ejson.Object && opts.Doc().Field("multi").Bool():
		_, err = v.coll.UpdateMany(sel, mod)
	default:
		_, err = v.coll.UpdateOne(sel, mod)
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// recorded reads a recorded call.
func recorded(d ejson.Doc) (call, error) {
	c := call{
		cb:      d.Field("cb").Str(),
		doc:     d.Field("doc").Doc(),
		old:     d.Field("oldDoc").Doc(),
		cleared: strs(d.Field("cleared")),
		at:      int(d.Field("atIndex").Number()) + int(d.Field("to").Number()),
		from:    int(d.Field("from").Number()),
	}
	if f := d.Field("fields"); !f.IsMissing() {
		c.doc = f.Doc()
	}
	var err error
	switch id := d.Field("id"); {
	case !id.IsMissing():
		c.id, err = ejson.IDOf(id)
	case !c.doc.IsZero():
		c.id = c.doc.ID()
	default:
		c.id = c.old.ID()
	}
	if b := d.Field("before"); err == nil && !b.IsMissing() && b.Kind() != ejson.Null {
		c.before, err = ejson.IDOf(b)
	}
	return c, err
}

// compare checks the calls since the last comparison. With judge, only that they
// fit each other; fetched does the rest.
func (v *vector) compare(want ejson.Array, judge bool) error {
	got := v.calls
	v.calls = nil
	var rec []call
	for _, w := range want.All() {
		c, err := recorded(w.Doc())
		if err != nil {
			return err
		}
		rec = append(rec, c)
	}
	if v.whole {
		var err error
		if v.mine, err = v.replay(v.mine, got); err != nil {
			return fmt.Errorf("%w\nin %v", err, got)
		}
		if !v.lost {
			if v.theirs, err = v.replay(v.theirs, rec); err != nil {
				return fmt.Errorf("recorded: %w", err)
			}
		}
	}
	if !v.whole {
		var err error
		if v.mine, err = v.replay(v.mine, v.full); err != nil {
			return fmt.Errorf("%w\nin %v", err, v.full)
		}
		v.full = nil
	}
	if judge || slices.EqualFunc(got, rec, call.same) {
		return nil
	}
	differ := fmt.Errorf("told\n%v\nrecorded\n%v", got, rec)
	if v.ordered && v.whole {
		if len(got) <= len(rec) && slices.EqualFunc(v.mine, v.theirs, ejson.Doc.Same) {
			return nil
		}
		return differ
	}
	// A set keyed by id: the calls for each document in their order. Where some
	// callbacks are missing the places cannot be replayed; that ours fit is checked
	// with a second observer, and of moves only the number must not be larger.
	moves := 0
	if v.ordered {
		strip := func(calls []call, step int) []call {
			return slices.DeleteFunc(calls, func(c call) bool {
				if strings.HasPrefix(c.cb, "moved") {
					moves += step
					return true
				}
				return false
			})
		}
		got, rec = strip(got, 1), strip(rec, -1)
		for _, calls := range [][]call{got, rec} {
			for i := range calls {
				calls[i].at, calls[i].before = 0, ejson.ID{}
			}
		}
	}
	byID := func(a, b call) int { return strings.Compare(a.id.Wire(), b.id.Wire()) }
	slices.SortStableFunc(got, byID)
	slices.SortStableFunc(rec, byID)
	if moves > 0 || !slices.EqualFunc(got, rec, call.same) {
		return differ
	}
	return nil
}

// replay applies calls to a result, in full or as its fields without _id.
func (v *vector) replay(list []ejson.Doc, calls []call) ([]ejson.Doc, error) {
	list = slices.Clone(list)
	index := func(id ejson.ID) int {
		return slices.IndexFunc(list, func(d ejson.Doc) bool { return d.ID() == id })
	}
	for _, c := range calls {
		i, to := index(c.id), len(list)
		if strings.HasPrefix(c.cb, "added") != (i < 0) {
			return nil, fmt.Errorf("%v: the document is at %d", c, i)
		}
		if !c.before.IsZero() {
			if to = index(c.before); to < 0 {
				return nil, fmt.Errorf("%v: no such neighbour", c)
			}
		}
		at := i
		switch c.cb {
		case "added", "addedBefore", "addedAt":
			if at = to; c.cb == "addedAt" && c.at != to {
				return nil, fmt.Errorf("%v: the neighbour is at %d", c, to)
			}
			list = slices.Insert(list, to, c.doc.WithID(c.id))
		case "changed", "changedAt":
			d := c.doc
			if v.whole && v.doc.Field("mode").Str() == "observeChanges" {
				d = list[i].Merge(c.doc, c.cleared)
			} else if !list[i].Same(c.old) {
				return nil, fmt.Errorf("%v: the document was %v", c, list[i])
			}
			list[i] = d
		case "movedBefore", "movedTo":
			d := list[i]
			list = slices.Delete(list, i, i+1)
			if to > i {
				to--
			}
			if c.cb == "movedTo" {
				if at = to; c.from != i {
					return nil, fmt.Errorf("%v: the document is at %d", c, i)
				}
			}
			list = slices.Insert(list, to, d)
		case "removed", "removedAt":
			list = slices.Delete(list, i, i+1)
		}
		if (strings.HasSuffix(c.cb, "At") || c.cb == "movedTo") && c.at != at {
			return nil, fmt.Errorf("%v: the place is %d", c, at)
		}
	}
	return list, nil
}

// fetched compares the result by our calls with a fresh query.
func (v *vector) fetched() error {
	want, err := v.q.All()
	if err != nil {
		return err
	}
	got := slices.Clone(v.mine)
	if v.whole && !v.ordered {
		byID := func(a, b ejson.Doc) int { return strings.Compare(a.ID().Wire(), b.ID().Wire()) }
		slices.SortFunc(got, byID)
		slices.SortFunc(want, byID)
	}
	if !slices.EqualFunc(got, want, ejson.Doc.Same) {
		return fmt.Errorf("observed\n%v\nfetched\n%v", got, want)
	}
	return nil
}
