package query

// step is a part of the pattern's top level, for prefix and literal.
type step struct {
	kind stepKind
	r    rune
}

type stepKind uint8

const (
	stepOther stepKind = iota
	stepRune
	stepStart // ^
	stepEnd   // $
	stepMaybe // a quantifier that allows none
	stepMore  // a quantifier that asks for one at least
)

// prefix returns text that every match begins with.
func (t *translator) prefix() string {
	if t.parted || len(t.steps) == 0 || t.steps[0].kind != stepStart {
		return ""
	}
	var b []rune
	for _, s := range t.steps[1:] {
		switch s.kind {
		case stepRune:
			b = append(b, s.r)
			continue
		case stepMaybe:
			b = b[:max(len(b)-1, 0)]
		}
		break
	}
	return string(b)
}

// literal reports whether the pattern is only text, and which.
func (t *translator) literal() (literalKind, string) {
	steps := t.steps
	start := len(steps) > 0 && steps[0].kind == stepStart
	if start {
		steps = steps[1:]
	}
	end := len(steps) > 0 && steps[len(steps)-1].kind == stepEnd
	if end {
		steps = steps[:len(steps)-1]
	}
	var b []rune
	for _, s := range steps {
		if s.kind != stepRune {
			return notLiteral, ""
		}
		b = append(b, s.r)
	}
	switch {
	case t.parted, end && !start:
		return notLiteral, ""
	case end:
		return whole, string(b)
	case start:
		return atStart, string(b)
	}
	return anywhere, string(b)
}
