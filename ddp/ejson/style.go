package ejson

import (
	"slices"
	"strings"
)

// Style is another way to write EJSON text, for people and for comparing. The
// zero Style is that of AppendJSON.
type Style struct {
	Canonical bool   // keys sorted by UTF-16 code unit, as EJSON.stringify's canonical
	Indent    string // before each line, once for each level; "" writes one line
}

// Append appends v as EJSON text in this style.
func (s Style) Append(dst []byte, v Value) []byte {
	if s == (Style{}) {
		return v.AppendJSON(dst)
	}
	plain, err := ParsePlain(v.AppendJSON(nil))
	if err != nil { // deeper than a text may be
		return v.AppendJSON(dst)
	}
	return s.append(dst, plain, 0)
}

// ParsePlain is [ParseValue] of JSON in which no object stands for a value.
func ParsePlain(text []byte) (Value, error) {
	var d Decoder
	d.Reset(text)
	v, err := d.PlainValue()
	if err == nil {
		err = d.End()
	}
	if err != nil {
		return Value{}, err
	}
	return v, nil
}

func (s Style) append(b []byte, v Value, level int) []byte {
	switch {
	case v.kind == Object && v.Doc().Len() > 0:
		t := open(v.s)
		order := make([]int, t.n)
		for i := range order {
			order[i] = i
		}
		nameOf := func(i int) string { name, _, _, _ := t.field(i); return name }
		if s.Canonical {
			slices.SortFunc(order, func(i, j int) int { return compareUTF16(nameOf(i), nameOf(j)) })
		}
		b = append(b, '{')
		for k, i := range order {
			if k > 0 {
				b = append(b, ',')
			}
			name, tag, lo, hi := t.field(i)
			b = AppendString(s.line(b, level+1), name)
			b = append(b, ':')
			if s.Indent != "" {
				b = append(b, ' ')
			}
			b = s.append(b, view(t.s, tag, lo, hi), level+1)
		}
		return append(s.line(b, level), '}')
	case v.kind == List && v.Array().Len() > 0:
		b = append(b, '[')
		for i, x := range v.Array().All() {
			if i > 0 {
				b = append(b, ',')
			}
			b = s.append(s.line(b, level+1), x, level+1)
		}
		return append(s.line(b, level), ']')
	}
	return v.AppendPlainJSON(b)
}

func (s Style) line(b []byte, level int) []byte {
	if s.Indent == "" {
		return b
	}
	b = append(b, '\n')
	for range level {
		b = append(b, s.Indent...)
	}
	return b
}

// compareUTF16 orders strings as JavaScript does: by their UTF-16 code units.
func compareUTF16(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	if n == len(a) || n == len(b) || a[n] < 0xed && b[n] < 0xed {
		return strings.Compare(a, b)
	}
	return slices.Compare(utf16Units(a), utf16Units(b))
}
