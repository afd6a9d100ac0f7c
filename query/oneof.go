package query

import (
	"math"
	"slices"

	"github.com/replicad/replicad/ddp/ejson"
)

// oneOf is $in. Lists of strings or numbers longer than a few go by hash.
type oneOf struct {
	null    bool
	all     []ejson.Value // every value but null, as written
	regexps []pred

	// What test looks at.
	numbers map[float64]struct{}
	strings map[string]struct{}
	few     []ejson.Value // everything else, or everything where it is little, in order
}

// fewValues is the length up to which going through a list beats hashing.
const fewValues = 8

func newOneOf(values []ejson.Value, regexps []pred) pred {
	p := &oneOf{regexps: regexps}
	hash := len(values) > fewValues
	strs := make([]string, 0, len(values))
	for _, v := range values {
		switch k := v.Kind(); {
		case k <= ejson.Null:
			p.null = true
			continue
		}
		p.all = append(p.all, v)
		switch k := v.Kind(); {
		case k == ejson.String:
			strs = append(strs, v.Str())
			if hash {
				if p.strings == nil {
					p.strings = make(map[string]struct{}, len(values))
				}
				p.strings[v.Str()] = struct{}{}
				continue
			}
		case k == ejson.Number && hash && !math.IsNaN(v.Number()):
			if p.numbers == nil {
				p.numbers = make(map[float64]struct{}, len(values))
			}
			p.numbers[v.Number()] = struct{}{}
			continue
		}
		p.few = append(p.few, v)
	}
	slices.SortFunc(p.few, ejson.Compare)
	if len(strs) == len(values) && len(regexps) == 0 && !hash {
		return fewStrings{strs}
	}
	return p
}

func (p *oneOf) test(v ejson.Value) bool {
	switch v.Kind() {
	case ejson.Missing, ejson.Null:
		return p.null
	case ejson.String:
		if p.strings != nil {
			if _, ok := p.strings[v.Str()]; ok {
				return true
			}
		}
	case ejson.Number:
		if p.numbers != nil {
			if _, ok := p.numbers[v.Number()]; ok {
				return true
			}
		}
	case ejson.DecimalKind:
		for i := range p.all {
			if ejson.Compare(p.all[i], v) == 0 {
				return true
			}
		}
	}
	// Of two values that the order holds equal one is Missing, or both are numbers
	// or of one kind: so it is the equality of selectors.
	if len(p.few) > fewValues {
		if _, ok := slices.BinarySearchFunc(p.few, v, ejson.Compare); ok {
			return true
		}
	} else {
		for i := range p.few {
			if ejson.Compare(p.few[i], v) == 0 {
				return true
			}
		}
	}
	for _, r := range p.regexps {
		if r.test(v) {
			return true
		}
	}
	return false
}

// fewStrings is $in of a handful of strings and nothing else.
type fewStrings struct{ list []string }

func (p fewStrings) test(v ejson.Value) bool {
	if v.Kind() != ejson.String {
		return false
	}
	s := v.Str()
	for _, w := range p.list {
		if sameText(s, w) {
			return true
		}
	}
	return false
}

// sameText is s == w for texts that mostly differ: names that are numbered, say,
// begin alike and end differently.
func sameText(s, w string) bool {
	n := len(s) - 1
	return len(w)-1 == n && (n < 0 || s[n] == w[n] && s == w)
}

// pinned returns the values of p, if they are all that p asks for and pin.
func (p *oneOf) pinned() ([]ejson.Value, bool) {
	if p.null || len(p.regexps) > 0 {
		return nil, false
	}
	for _, v := range p.all {
		if v.Kind() == ejson.List {
			return nil, false
		}
	}
	return p.all, true
}
