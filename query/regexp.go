package query

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dlclark/regexp2"

	"github.com/replicad/replicad/ddp/ejson"
)

const (
	// maxPattern bounds the bytes of a pattern, as MongoDB does.
	maxPattern = 32764
	// matchTimeout bounds one try of a pattern that RE2 cannot run. Such
	// patterns can take exponential time; 50ms is long past any honest one. The
	// engine looks at its clock every 100ms only.
	matchTimeout = 50 * time.Millisecond
	// maxTimeouts is how often a pattern may exceed matchTimeout before it is
	// given up and matches nothing, so that a scan ends within a second or so.
	maxTimeouts = 5
	// maxSteps bounds the steps that a pattern can take through a string: as many
	// as it has instructions, for each byte. They take some seconds at worst.
	maxSteps = 1 << 27
)

// pattern is a compiled regular expression of JavaScript.
type pattern struct {
	source, flags string // flags in alphabetical order
	prefix        string // every match begins with this; "" where it is unknown
	literal       literalKind
	text          string          // for a literal
	re            *regexp.Regexp  // or this,
	longest       int             // for strings up to so many bytes
	back          *regexp2.Regexp // or this: look-around and back-references
	timeouts      atomic.Int32    // of back
}

// literalKind says that a pattern is nothing but text.
type literalKind uint8

const (
	notLiteral literalKind = iota
	anywhere               // /abc/
	atStart                // /^abc/
	whole                  // /^abc$/
)

func (p *pattern) test(v ejson.Value) bool {
	switch v.Kind() {
	case ejson.String:
		return p.matches(v.Str())
	case ejson.RegexpKind:
		// A stored regular expression equals the same one.
		r := v.Regexp()
		return r.Source == p.source && sortFlags(r.Flags) == p.flags
	}
	return false
}

func (p *pattern) matches(s string) bool {
	switch p.literal {
	case anywhere:
		return strings.Contains(s, p.text)
	case atStart:
		return strings.HasPrefix(s, p.text)
	case whole:
		return s == p.text
	}
	if p.prefix != "" && !strings.HasPrefix(s, p.prefix) {
		return false
	}
	if p.re != nil {
		return len(s) <= p.longest && p.re.MatchString(s)
	}
	if p.timeouts.Load() >= maxTimeouts {
		return false
	}
	ok, err := p.back.MatchString(s)
	if err != nil {
		p.timeouts.Add(1)
		return false
	}
	return ok
}

func sortFlags(flags string) string {
	if len(flags) < 2 {
		return flags
	}
	b := []byte(flags)
	slices.Sort(b)
	return string(slices.Compact(b))
}

// regexOperator compiles $regex with the $options beside it.
func (c *compiler) regexOperator(at string, v ejson.Value, d ejson.Doc) (clause, error) {
	const op = "$regex"
	options := d.Field("$options")
	switch {
	case options.IsMissing():
		return c.regexp(at, op, v, "")
	case options.Kind() != ejson.String:
		return clause{}, syntaxError(at, "$options", "wants a string of flags, got %s", met(options))
	case v.Kind() == ejson.RegexpKind && v.Regexp().Flags != "":
		return clause{}, syntaxError(at, "$options", "flags are in the regular expression already")
	}
	flags := options.Str()
	for _, f := range flags {
		if !strings.ContainsRune("imsxu", f) {
			return clause{}, syntaxError(at, "$options", "knows the flags i, m, s, x and u, got %q", f)
		}
	}
	if v.Kind() == ejson.RegexpKind {
		v = ejson.StringValue(v.Regexp().Source)
	}
	return c.regexp(at, op, v, sortFlags(flags))
}

// regexp compiles a regular expression, or the source of one with its flags.
func (c *compiler) regexp(at, op string, v ejson.Value, flags string) (clause, error) {
	if err := c.count(at); err != nil {
		return clause{}, err
	}
	var source string
	switch v.Kind() {
	case ejson.String:
		source = v.Str()
	case ejson.RegexpKind:
		source, flags = v.Regexp().Source, v.Regexp().Flags
		for i, f := range flags {
			if !strings.ContainsRune("dgimsuxy", f) || strings.ContainsRune(flags[:i], f) {
				return clause{}, syntaxError(at, op, "a regular expression has no such flags: %q", clip(flags))
			}
		}
	default:
		return clause{}, syntaxError(at, op, "wants a regular expression or its source, got %s", met(v))
	}
	p, err := compilePattern(source, sortFlags(flags))
	if err != nil {
		return clause{}, syntaxError(at, op, "regular expression /%s/: %v", clip(source), err)
	}
	price := 40
	if p.literal != notLiteral {
		price = 10
	} else if p.back != nil {
		price = 400
	}
	return clause{op: op, pred: p, price: price}, nil
}

func compilePattern(source, flags string) (*pattern, error) {
	if len(source) > maxPattern {
		return nil, errPatternSize
	}
	t := translator{src: source, flags: flags}
	if err := t.run(); err != nil {
		return nil, err
	}
	p := &pattern{source: source, flags: flags}
	fold := strings.Contains(flags, "i")
	if !fold {
		p.prefix = t.prefix()
		if p.literal, p.text = t.literal(); p.literal != notLiteral {
			return p, nil
		}
	}
	if !t.back {
		text := t.out.String()
		if fold {
			text = "(?i)" + text
		}
		re, err := regexp.Compile(text)
		if err == nil {
			p.re, p.longest = re, maxSteps/instructions(text)
			return p, nil
		}
		// RE2 refuses repetitions above 1,000; the other engine does not.
		t = translator{src: source, flags: flags, back: true}
		if err := t.run(); err != nil {
			return nil, err
		}
	}
	var opts regexp2.RegexOptions
	if fold {
		opts = regexp2.IgnoreCase
	}
	back, err := regexp2.Compile(t.out.String(), opts)
	if err != nil {
		return nil, err
	}
	back.MatchTimeout = matchTimeout
	p.back = back
	return p, nil
}

// instructions counts those of a pattern that RE2 runs.
func instructions(text string) int {
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return maxPattern
	}
	prog, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return maxPattern
	}
	return len(prog.Inst)
}
