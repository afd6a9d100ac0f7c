package server

import (
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"github.com/replicad/replicad/ddp/ejson"
)

// script runs steps of a merge box, each written as a line:
//
//	a+ {"x":1}     holding a adds document d with these fields
//	a  {"x":2} -y  it changes x and clears y
//	a-             it removes d
//	a.             it ends
//
// and returns the messages that come of each, without what is the same in all.
type script struct {
	view     *view
	delta    delta
	holdings map[string]*holding
}

var short = strings.NewReplacer(`,"fields":`, " ", `,"cleared":`, " -")

func (s *script) step(t *testing.T, line string) string {
	t.Helper()
	var said []string
	tell := func(d *delta) {
		if d.empty() {
			return
		}
		text := string(d.append(nil))
		text = strings.TrimPrefix(text, `{"msg":"`)
		text = strings.Replace(text, `","collection":"c","id":"d"`, "", 1)
		said = append(said, short.Replace(strings.TrimSuffix(text, "}")))
	}
	who, op, rest := line[:1], line[1], strings.TrimSpace(line[2:])
	h := s.holdings[who]
	if h == nil {
		h = s.view.hold("c")
		s.holdings[who] = h
	}
	id := ejson.StringID("d")
	ok := true
	switch op {
	case '+':
		h.add(id, parse(t, rest).WithID(id), &s.delta)
		tell(&s.delta)
	case '-':
		if ok = h.remove(id, &s.delta); ok {
			tell(&s.delta)
		}
	case '.':
		s.view.end(h, &s.delta, tell)
		delete(s.holdings, who)
	default:
		words := strings.Fields(rest)
		set := ejson.Make()
		if len(words) > 0 && words[0][0] == '{' {
			set, words = parse(t, words[0]), words[1:]
		}
		for i := range words {
			words[i] = strings.TrimPrefix(words[i], "-")
		}
		if ok = h.change(id, set, words, &s.delta); ok {
			tell(&s.delta)
		}
	}
	if !ok {
		return "not held"
	}
	return strings.Join(said, " ")
}

func parse(t testing.TB, text string) ejson.Doc {
	t.Helper()
	d, err := ejson.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return d
}

// TestMergeBox goes through chapter 15 of the behaviour sheet; line is its number
// there.
func TestMergeBox(t *testing.T) {
	for _, tt := range []struct {
		line  int
		what  string
		steps []string // step → what the client is told
	}{
		{174, "the first entry is what the client has", []string{
			`a+ {"x":1} → added {"x":1}`, `b+ {"x":2} → `, `c+ {"x":3} → `,
			`a. → changed {"x":2}`, `b. → changed {"x":3}`, `c. → removed`}},
		{174, "the order is that of each field, not that of the holders", []string{
			`a+ {"y":1} → added {"y":1}`, `b+ {"x":2} → changed {"x":2}`,
			`a  {"x":1} → `, `b  {"x":3} → changed {"x":3}`,
			`b  -x → changed {"x":1}`, `b  {"x":4} → `, `a  -x → changed {"x":4}`,
			`a. → changed -["y"]`}},
		{174, "who clears a field and sets it again is last for it", []string{
			`a+ {"x":1} → added {"x":1}`, `b+ {"x":2} → `, `a  -x → changed {"x":2}`,
			`a  {"x":1} → `, `c+ {"x":3} → `, `b- → changed {"x":1}`, `a- → changed {"x":3}`}},
		{175, "later holders only add what is not known", []string{
			`a+ {"x":1} → added {"x":1}`, `b+ {"x":2,"y":3} → changed {"y":3}`,
			`c+ {"x":1,"y":4} → `}},
		{176, "a change by the first goes out, by another it is stored", []string{
			`a+ {"x":1} → added {"x":1}`, `b+ {"x":2} → `, `b  {"x":5} → `,
			`a  {"x":3} → changed {"x":3}`, `a  {"x":3} → `, `a- → changed {"x":5}`}},
		{177, "cleared by the first: next value, nothing, or cleared", []string{
			`a+ {"x":1,"y":1,"z":1} → added {"x":1,"y":1,"z":1}`, `b+ {"x":2,"y":1} → `,
			`a  -x → changed {"x":2}`, `a  -y → `, `a  -z → changed -["z"]`}},
		{178, "cleared by another: nothing", []string{
			`a+ {"x":1} → added {"x":1}`, `b+ {"x":2} → `, `b  -x → `, `b. → `}},
		{179, "removed by one of several", []string{
			`a+ {"x":1,"y":1} → added {"x":1,"y":1}`, `b+ {"x":2} → `,
			`a- → changed {"x":2} -["y"]`, `b- → removed`}},
		{180, "no empty changed", []string{
			`a+ {"x":1} → added {"x":1}`, `a  {} → `, `b+ {} → `, `b- → `}},
		{181, "the value already shown", []string{
			`a+ {"x":1} → added {"x":1}`, `a  {"x":1} → `, `b+ {"x":1} → `, `a- → `}},
		{182, "clearing what is not there", []string{
			`a+ {"x":1} → added {"x":1}`, `a  -q → `, `a  -x → changed -["x"]`, `a  -x → `}},
		{183, "added, removed, added again", []string{
			`a+ {"x":1} → added {"x":1}`, `a- → removed`, `a+ {"x":1} → added {"x":1}`}},
		{183, "added twice: replaced", []string{
			`a+ {"x":1,"y":1} → added {"x":1,"y":1}`, `a+ {"x":2} → changed {"x":2} -["y"]`,
			`b+ {"z":1} → changed {"z":1}`, `a+ {"y":2} → changed {"y":2} -["x"]`}},
		{184, "several changes in one call are one message", []string{
			`a+ {"x":1,"y":1} → added {"x":1,"y":1}`,
			`a  {"x":2,"z":3} -y → changed {"x":2,"z":3} -["y"]`}},
		{185, "an empty document", []string{
			`a+ {} → added {}`, `a  {"x":1} → changed {"x":1}`, `a- → removed`}},
		{186, "names that are special elsewhere", []string{
			`a+ {"constructor":1,"__proto__":2} → added {"constructor":1,"__proto__":2}`,
			`a  {"__proto__":3} -constructor → changed {"__proto__":3} -["constructor"]`}},
		{187, "nested objects are compared whole", []string{
			`a+ {"o":{"p":1}} → added {"o":{"p":1}}`, `b+ {"o":{"q":2}} → `,
			`a- → changed {"o":{"q":2}}`}},
		{189, "equality is EJSON's", []string{
			`a+ {"d":{"$date":5},"n":{"$InfNaN":0},"o":{"p":1,"q":2},"b":{"$binary":"AQ=="}}` +
				` → added {"d":{"$date":5},"n":{"$InfNaN":0},"o":{"p":1,"q":2},"b":{"$binary":"AQ=="}}`,
			`a  {"d":{"$date":5},"n":{"$InfNaN":0},"o":{"q":2,"p":1},"b":{"$binary":"AQ=="}} → `}},
		{168, "changed or removed of what is not held", []string{
			`a  {"x":1} → not held`, `a- → not held`, `b+ {"x":1} → added {"x":1}`,
			`a  {"x":2} → not held`, `a- → not held`, `c+ {} → `, `a  {"x":2} → not held`, `a- → not held`}},
		{169, "_id among the fields is dropped", []string{
			`a+ {"_id":"d","x":1} → added {"x":1}`, `a  {"_id":"e","x":2} -_id → changed {"x":2}`,
			`b+ {"_id":"d"} → `, `a- → changed -["x"]`, `b- → removed`}},
		{216, "a document that looks like a special value is wrapped", []string{
			`a+ {"$escape":{"$date":5}} → added {"$escape":{"$date":5}}`,
			`a  {"$escape":{"$date":6}} → changed {"$escape":{"$date":6}}`}},
	} {
		t.Run(fmt.Sprint(tt.line, " ", tt.what), func(t *testing.T) {
			s := &script{view: newView(), holdings: make(map[string]*holding)}
			for _, step := range tt.steps {
				line, want, _ := strings.Cut(step, " → ")
				if line == step {
					line = strings.TrimSuffix(step, " →")
				}
				if got := s.step(t, line); got != want {
					t.Fatalf("line %d: %s: got %s, want %s", tt.line, line, got, want)
				}
				checkView(t, s.view)
			}
		})
	}
}

// TestMergeBoxEmptyCollections holds line 188: nothing is left of a collection
// that nobody publishes.
func TestMergeBoxEmptyCollections(t *testing.T) {
	s := &script{view: newView(), holdings: make(map[string]*holding)}
	for _, line := range []string{`a+ {"x":1}`, `b+ {"x":2}`, `a.`, `b.`} {
		s.step(t, line)
	}
	if len(s.view.shelves) != 0 {
		t.Errorf("%d collections are left", len(s.view.shelves))
	}
}

// checker is what both *testing.T and *rapid.T have.
type checker interface {
	Helper()
	Fatalf(string, ...any)
}

// checkView checks the invariants of a merge box.
func checkView(t checker, v *view) {
	t.Helper()
	for _, s := range v.shelves {
		claims := make(map[*holding]int)
		for id, e := range s.docs {
			if e.by != nil {
				claims[e.by]++
				if e.by.ids[e.pos] != id {
					t.Fatalf("%v is not at its place", id)
				}
				continue
			}
			sh := s.shared[id]
			if sh == nil || len(sh.claims) < 2 {
				t.Fatalf("%v is shared by %v", id, sh)
			}
			for _, c := range sh.claims {
				claims[c.by]++
				if c.by.ids[c.pos] != id {
					t.Fatalf("%v is not at its place", id)
				}
			}
			for _, l := range sh.late {
				if c := sh.claim(l.by); c == nil || c.doc.Field(l.name).IsMissing() {
					t.Fatalf("%v: %s is late without being there", id, l.name)
				}
			}
		}
		if n := len(s.shared); n > len(s.docs) {
			t.Fatalf("%d shared of %d", n, len(s.docs))
		}
		for _, h := range s.holdings {
			if h.live != claims[h] {
				t.Fatalf("a holding counts %d documents and has %d", h.live, claims[h])
			}
			if len(h.ids) >= 32 && len(h.ids) > 2*h.live+1 {
				t.Fatalf("a list of %d for %d documents", len(h.ids), h.live)
			}
		}
	}
}

// TestIDsKeepNothing checks that the ids of a view lie in the documents that it has
// anyway, or are copies: none keeps a document alive that was replaced.
func TestIDsKeepNothing(t *testing.T) {
	var d delta
	v := newView()
	a, b := v.hold("c"), v.hold("c")
	s := v.shelves["c"]
	doc := func(text string) ejson.Doc { return parse(t, text) }
	first := doc(`{"_id":"d","x":1}`)
	check := func(step string, want ejson.Doc, ids ...ejson.ID) {
		t.Helper()
		for id := range s.docs {
			ids = append(ids, id)
		}
		for _, id := range ids {
			if in(id, first) {
				t.Errorf("%s: the id keeps the first document", step)
			}
			if !want.IsZero() && !in(id, want) {
				t.Errorf("%s: the id does not lie in the document", step)
			}
		}
	}
	a.add(first.ID(), first, &d)
	if !in(a.ids[0], first) {
		t.Error("added: the id does not lie in the document")
	}
	a.change(first.ID(), doc(`{"x":2}`), nil, &d)
	check("changed", s.docs[first.ID()].doc, a.ids[0])
	again := doc(`{"_id":"d","x":3}`)
	a.add(again.ID(), again, &d)
	check("added again", again, a.ids[0])

	b.add(first.ID(), first, &d)
	check("shared", ejson.Doc{}, a.ids[0], b.ids[0])
	for id := range s.docs {
		if in(id, again) {
			t.Error("shared: the id keeps one of the documents")
		}
	}
	a.remove(first.ID(), &d)
	check("alone again", ejson.Doc{}, b.ids[0])
	b.change(first.ID(), doc(`{"x":4}`), nil, &d)
	check("changed alone", s.docs[first.ID()].doc, b.ids[0])
}

// in reports whether the id lies in the memory of a document.
func in(id ejson.ID, doc ejson.Doc) bool {
	wire, raw := id.Wire(), doc.Raw()
	from := uintptr(unsafe.Pointer(unsafe.StringData(raw)))
	at := uintptr(unsafe.Pointer(unsafe.StringData(wire)))
	return at >= from && at < from+uintptr(len(raw))
}
