package query

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// runes is a range of characters.
type runes struct{ low, high rune }

// The character classes of JavaScript, and their complements, which a class may
// hold beside other things.
var (
	classDigit = []runes{{'0', '9'}}
	classWord  = []runes{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}
	classSpace = []runes{{'\t', '\r'}, {' ', ' '}, {0xa0, 0xa0}, {0x1680, 0x1680}, {0x2000, 0x200a},
		{0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000}, {0xfeff, 0xfeff}}
)

func complement(of []runes) []runes {
	var out []runes
	next := rune(0)
	for _, r := range of {
		if r.low > next {
			out = append(out, runes{next, r.low - 1})
		}
		next = r.high + 1
	}
	return append(out, runes{next, utf8.MaxRune})
}

// classOf returns what \d, \D and their like stand for.
func classOf(c byte) []runes {
	switch c {
	case 'd':
		return classDigit
	case 'D':
		return complement(classDigit)
	case 'w':
		return classWord
	case 'W':
		return complement(classWord)
	case 's':
		return classSpace
	case 'S':
		return complement(classSpace)
	}
	return nil
}

func writeClass(out *strings.Builder, of []runes, props string, not bool) {
	switch {
	case len(of) == 0 && props == "" && not: // [^]
		out.WriteString(`(?s:.)`)
		return
	case len(of) == 0 && props == "": // []
		of, not = []runes{{0, utf8.MaxRune}}, true
	}
	out.WriteByte('[')
	if not {
		out.WriteByte('^')
	}
	for _, r := range of {
		writeRune(out, r.low)
		if r.high > r.low {
			out.WriteByte('-')
			writeRune(out, r.high)
		}
	}
	out.WriteString(props)
	out.WriteByte(']')
}

// class reads a class behind its [.
func (t *translator) class() error {
	not := t.pos < len(t.src) && t.src[t.pos] == '^'
	if not {
		t.pos++
	}
	var of []runes
	var props strings.Builder
	for {
		if t.pos >= len(t.src) {
			return errClass
		}
		if t.src[t.pos] == ']' {
			t.pos++
			writeClass(&t.out, of, props.String(), not)
			return nil
		}
		low, set, prop, err := t.member()
		if err != nil {
			return err
		}
		props.WriteString(prop)
		of = append(of, set...)
		single := set == nil && prop == ""
		if strings.HasPrefix(t.src[t.pos:], "-") && !strings.HasPrefix(t.src[t.pos:], "-]") && t.pos+1 < len(t.src) {
			t.pos++
			high, set, prop, err := t.member()
			switch {
			case err != nil:
				return err
			case set == nil && prop == "" && single:
				if high < low {
					return errRange
				}
				of = append(of, runes{low, high})
				continue
			}
			// A class cannot end a range: the - stands for itself.
			if t.flag("u") {
				return errRange
			}
			of = append(append(of, runes{'-', '-'}), set...)
			props.WriteString(prop)
			if set == nil && prop == "" {
				of = append(of, runes{high, high})
			}
		}
		if single {
			of = append(of, runes{low, low})
		}
	}
}

// member reads one character of a class, or a class within it.
func (t *translator) member() (r rune, set []runes, prop string, err error) {
	r, size := utf8.DecodeRuneInString(t.src[t.pos:])
	if r != '\\' {
		t.pos += size
		return r, nil, "", nil
	}
	if t.pos+1 >= len(t.src) {
		return 0, nil, "", errBackslash
	}
	switch c := t.src[t.pos+1]; c {
	case 'b':
		t.pos += 2
		return '\b', nil, "", nil
	case 'd', 'D', 'w', 'W', 's', 'S':
		t.pos += 2
		return 0, classOf(c), "", nil
	case 'p', 'P':
		if t.flag("u") {
			prop, err = t.property()
			return 0, nil, prop, err
		}
	}
	t.pos++
	r, err = t.character()
	return r, nil, "", err
}

// escape reads a \ and what it escapes. atom reports that it can be repeated.
func (t *translator) escape() (atom bool, err error) {
	if t.pos+1 >= len(t.src) {
		return false, errBackslash
	}
	c := t.src[t.pos+1]
	switch {
	case c == 'b' || c == 'B':
		t.pos += 2
		t.boundary(c)
		t.note(stepOther, 0)
		return false, nil
	case classOf(c) != nil:
		t.pos += 2
		writeClass(&t.out, classOf(c), "", false)
		t.note(stepOther, 0)
		return true, nil
	case (c == 'p' || c == 'P') && t.flag("u"):
		prop, err := t.property()
		t.out.WriteString(prop)
		t.note(stepOther, 0)
		return true, err
	case c >= '1' && c <= '9':
		end := t.pos + 1
		for end < len(t.src) && t.src[end] >= '0' && t.src[end] <= '9' {
			end++
		}
		if n, _ := digits(t.src[t.pos+1 : end]); n <= len(t.names) {
			t.pos = end
			return true, t.refer(n)
		}
		if t.flag("u") {
			return false, errReference
		}
	case c == 'k' && (t.flag("u") || strings.Join(t.names, "") != ""):
		rest, ok := strings.CutPrefix(t.src[t.pos+2:], "<")
		name, _, closed := strings.Cut(rest, ">")
		if ok && closed && name != "" {
			for i, known := range t.names {
				if known == name {
					t.pos += len(name) + 4
					return true, t.refer(i + 1)
				}
			}
		}
		return false, errReference
	}
	t.pos++
	r, err := t.character()
	t.rune(r)
	return true, err
}

// boundary writes \b or \B, which for JavaScript know ASCII only.
func (t *translator) boundary(c byte) {
	if !t.back {
		t.out.WriteString(`\` + string(c))
		return
	}
	const w = "[0-9A-Za-z_]"
	if c == 'b' {
		t.out.WriteString("(?:(?<=" + w + ")(?!" + w + ")|(?<!" + w + ")(?=" + w + "))")
	} else {
		t.out.WriteString("(?:(?<=" + w + ")(?=" + w + ")|(?<!" + w + ")(?!" + w + "))")
	}
}

// character reads the escaped character behind a \.
func (t *translator) character() (rune, error) {
	r, size := utf8.DecodeRuneInString(t.src[t.pos:])
	rest := t.src[t.pos+size:]
	t.pos += size
	switch {
	case r == 't':
		return '\t', nil
	case r == 'n':
		return '\n', nil
	case r == 'v':
		return '\v', nil
	case r == 'f':
		return '\f', nil
	case r == 'r':
		return '\r', nil
	case r == 'c':
		if rest != "" && (rest[0]|0x20 >= 'a' && rest[0]|0x20 <= 'z') {
			t.pos++
			return rune(rest[0] & 31), nil
		}
		t.pos-- // the \ stands for itself, and c is next
		return '\\', nil
	case r == 'x':
		if n, ok := hex(rest, 2); ok {
			t.pos += 2
			return n, nil
		}
	case r == 'u':
		return t.unicode(rest), nil
	case r >= '0' && r <= '7':
		// Octal, up to \377; \0 is the most common.
		n := r - '0'
		for i := 0; i < 2 && i < len(rest) && rest[i] >= '0' && rest[i] <= '7' && n*8+rune(rest[i]-'0') <= 0o377; i++ {
			n = n*8 + rune(rest[i]-'0')
			t.pos++
		}
		return n, nil
	}
	return r, nil
}

// unicode reads what follows \u: four digits, two such for a pair of
// surrogates, or any number in braces.
func (t *translator) unicode(rest string) rune {
	if t.flag("u") && strings.HasPrefix(rest, "{") {
		if end := strings.IndexByte(rest, '}'); end > 1 && end < 10 {
			if n, ok := hex(rest[1:], end-1); ok && n <= utf8.MaxRune {
				t.pos += end + 1
				return n
			}
		}
	}
	n, ok := hex(rest, 4)
	if !ok {
		return 'u'
	}
	t.pos += 4
	if n >= 0xd800 && n < 0xdc00 && strings.HasPrefix(rest[4:], `\u`) {
		if low, ok := hex(rest[6:], 4); ok && low >= 0xdc00 && low < 0xe000 {
			t.pos += 6
			return (n-0xd800)<<10 + (low - 0xdc00) + 0x10000
		}
	}
	return n
}

func hex(s string, n int) (rune, bool) {
	if len(s) < n || n == 0 {
		return 0, false
	}
	v, err := strconv.ParseUint(s[:n], 16, 31)
	return rune(v), err == nil && s[0] != '+'
}

// property reads \p{…} or \P{…}. The engines know the categories and scripts by
// their bare names.
func (t *translator) property() (string, error) {
	c := t.src[t.pos+1]
	rest, ok := strings.CutPrefix(t.src[t.pos+2:], "{")
	name, _, closed := strings.Cut(rest, "}")
	if !ok || !closed {
		return "", errReference
	}
	t.pos += len(name) + 4
	for _, key := range []string{"Script=", "sc=", "General_Category=", "gc="} {
		name = strings.TrimPrefix(name, key)
	}
	if !isGroupName(name) {
		return "", errReference
	}
	return `\` + string(c) + "{" + name + "}", nil
}
