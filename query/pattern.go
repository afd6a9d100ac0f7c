package query

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

var (
	errPatternSize = errors.New("longer than " + strconv.Itoa(maxPattern) + " bytes")
	errRepeat      = errors.New("nothing to repeat")
	errGroup       = errors.New("invalid group; inline flags are not JavaScript's, use $options")
	errUnclosed    = errors.New("a group is not closed")
	errUnopened    = errors.New("unmatched )")
	errClass       = errors.New("a class is not closed")
	errRange       = errors.New("a range of a class is out of order")
	errBackslash   = errors.New("a \\ at the end")
	errReference   = errors.New("a reference to a group that is not there")
	errNumbers     = errors.New("the numbers of a repetition are out of order")
	errTwice       = errors.New("two groups have one name")
)

// A translator rewrites a pattern of JavaScript for RE2 or, where it looks
// around or back, for regexp2. It knows the whole grammar, so what JavaScript
// refuses is refused, and nothing of the engines' own dialects gets through.
//
// Two things are the server's and not JavaScript's: a character is a code point
// and not half of one, and with the flag m a line ends at \n only.
type translator struct {
	src    string
	flags  string
	back   bool // write for regexp2
	pos    int
	out    strings.Builder
	names  []string // of the capturing groups, "" where there is none
	opened int      // capturing groups so far
	closes []string // what each open group ends with
	steps  []step   // what stands outside of groups
	parted bool     // by a | outside of groups
}

// errAgain is what pattern returns when it meets what only regexp2 can run.
var errAgain = errors.New("again")

func (t *translator) run() error {
	if err := t.findGroups(); err != nil {
		return err
	}
	err := t.sticky()
	if err == errAgain {
		*t = translator{src: t.src, flags: t.flags, names: t.names, back: true}
		err = t.sticky()
	}
	return err
}

// sticky writes the pattern, which matches only where the text begins if it has
// the flag y.
func (t *translator) sticky() error {
	if !t.flag("y") {
		return t.pattern()
	}
	t.out.WriteString(`\A(?:`)
	t.note(stepStart, 0)
	err := t.pattern()
	t.out.WriteByte(')')
	return err
}

func (t *translator) flag(f string) bool { return strings.Contains(t.flags, f) }

// findGroups lists the capturing groups, which references may come before.
func (t *translator) findGroups() error {
	inClass := false
	for i := 0; i < len(t.src); i++ {
		switch t.src[i] {
		case '\\':
			i++
		case '[':
			inClass = true
		case ']':
			inClass = false
		case '(':
			if inClass {
				continue
			}
			rest := t.src[i+1:]
			switch {
			case !strings.HasPrefix(rest, "?"):
				t.names = append(t.names, "")
			case strings.HasPrefix(rest, "?<") && !strings.HasPrefix(rest, "?<=") && !strings.HasPrefix(rest, "?<!"):
				name, _, ok := strings.Cut(rest[2:], ">")
				if !ok || !isGroupName(name) {
					return errGroup
				}
				if slices.Contains(t.names, name) {
					return errTwice
				}
				t.names = append(t.names, name)
			}
		}
	}
	return nil
}

func isGroupName(s string) bool {
	for i, r := range s {
		if !(r == '_' || r == '$' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= 0x80 || i > 0 && r >= '0' && r <= '9') {
			return false
		}
	}
	return s != ""
}

func (t *translator) pattern() error {
	atom := false // what precedes can be repeated
	for t.pos < len(t.src) {
		r, size := utf8.DecodeRuneInString(t.src[t.pos:])
		if t.flag("x") && strings.ContainsRune(" \t\n\r\v\f#", r) {
			t.skipSpace(r)
			continue
		}
		var err error
		switch r {
		case '^':
			t.pos++
			t.anchor(`\A`, `(?m:^)`, stepStart)
			atom = false
		case '$':
			t.pos++
			t.anchor(`\z`, `(?m:$)`, stepEnd)
			atom = false
		case '|':
			t.pos++
			t.out.WriteByte('|')
			t.parted = t.parted || len(t.closes) == 0
			atom = false
		case '(':
			err = t.open()
			atom = false
		case ')':
			if len(t.closes) == 0 {
				return errUnopened
			}
			t.pos++
			t.out.WriteString(t.closes[len(t.closes)-1])
			t.closes = t.closes[:len(t.closes)-1]
			atom = true
		case '*', '+', '?', '{':
			var repeats bool
			repeats, err = t.repeat(atom)
			if err == nil && !repeats {
				t.pos++
				t.rune('{')
			}
			atom = !repeats
		case '.':
			t.pos++
			if t.flag("s") {
				t.out.WriteString(`(?s:.)`)
			} else {
				t.out.WriteString("[^\n\r\u2028\u2029]")
			}
			t.note(stepOther, 0)
			atom = true
		case '[':
			t.pos++
			err = t.class()
			t.note(stepOther, 0)
			atom = true
		case '\\':
			atom, err = t.escape()
		default:
			t.pos += size
			t.rune(r)
			atom = true
		}
		if err != nil {
			return err
		}
	}
	if len(t.closes) > 0 {
		return errUnclosed
	}
	return nil
}

func (t *translator) skipSpace(r rune) {
	t.pos++
	if r == '#' {
		for t.pos < len(t.src) && t.src[t.pos] != '\n' {
			t.pos++
		}
	}
}

func (t *translator) anchor(text, lines string, k stepKind) {
	if t.flag("m") {
		text, k = lines, stepOther
	}
	t.out.WriteString(text)
	t.note(k, 0)
}

// note records a step of the top level.
func (t *translator) note(k stepKind, r rune) {
	if len(t.closes) == 0 {
		t.steps = append(t.steps, step{k, r})
	}
}

// rune writes a character that stands for itself.
func (t *translator) rune(r rune) {
	t.note(stepRune, r)
	writeRune(&t.out, r)
}

func writeRune(out *strings.Builder, r rune) {
	switch {
	case r >= 0x80, r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z':
		out.WriteRune(r)
	default:
		fmt.Fprintf(out, `\x%02x`, r)
	}
}

// open writes the beginning of a group.
func (t *translator) open() error {
	t.note(stepOther, 0)
	rest := t.src[t.pos+1:]
	starts := func(s string) bool { return strings.HasPrefix(rest, s) }
	closing := ")"
	switch {
	case !starts("?"):
		t.pos++
		t.capture()
	case starts("?:"):
		t.pos += 3
		t.out.WriteString("(?:")
	case starts("?="), starts("?!"):
		if !t.back {
			return errAgain
		}
		t.out.WriteString("(?:(" + rest[:2])
		t.pos += 3
		closing = "))"
	case starts("?<="), starts("?<!"):
		if !t.back {
			return errAgain
		}
		t.out.WriteString("(" + rest[:3])
		t.pos += 4
	case starts("?<"):
		t.pos += strings.IndexByte(t.src[t.pos:], '>') + 1
		t.capture()
	default:
		return errGroup
	}
	t.closes = append(t.closes, closing)
	return nil
}

// capture writes a capturing group, which RE2 need not capture.
func (t *translator) capture() {
	t.opened++
	if t.back {
		fmt.Fprintf(&t.out, "(?<g%d>", t.opened)
	} else {
		t.out.WriteString("(?:")
	}
}

// refer writes a reference back; one to a group that took no part matches "".
func (t *translator) refer(n int) error {
	if !t.back {
		return errAgain
	}
	fmt.Fprintf(&t.out, `(?(g%d)\k<g%d>|)`, n, n)
	t.note(stepOther, 0)
	return nil
}

// repeat writes a quantifier. repeats is false for a { that stands for itself.
func (t *translator) repeat(atom bool) (repeats bool, err error) {
	low, high, size := 0, math.MaxInt32, 1
	switch t.src[t.pos] {
	case '+':
		low = 1
	case '?':
		high = 1
	case '{':
		if low, high, size = braces(t.src[t.pos:]); size == 0 {
			if t.flag("u") {
				return false, errRepeat
			}
			return false, nil
		}
	}
	if !atom {
		return true, errRepeat
	}
	if low > high {
		return true, errNumbers
	}
	t.out.WriteString(t.src[t.pos : t.pos+size])
	t.pos += size
	if t.pos < len(t.src) && t.src[t.pos] == '?' {
		t.out.WriteByte('?')
		t.pos++
	}
	if low > 0 {
		t.note(stepMore, 0)
	} else {
		t.note(stepMaybe, 0)
	}
	return true, nil
}

// braces reads {n}, {n,} or {n,m} at the beginning of s; size is 0 where it is
// none of them.
func braces(s string) (low, high, size int) {
	end := strings.IndexByte(s, '}')
	if end < 2 {
		return 0, 0, 0
	}
	first, second, two := strings.Cut(s[1:end], ",")
	low, ok := digits(first)
	if !ok {
		return 0, 0, 0
	}
	switch {
	case !two:
		high = low
	case second == "":
		high = math.MaxInt32
	default:
		if high, ok = digits(second); !ok {
			return 0, 0, 0
		}
	}
	return low, high, end + 1
}

func digits(s string) (int, bool) {
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = min(n*10+int(s[i]-'0'), math.MaxInt32)
	}
	return n, s != ""
}
