package query_test

import (
	"strings"
	"testing"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// TestPatterns: regular expressions mean what they mean to JavaScript, whichever
// engine runs them.
func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, flags string
		yes, no        []string
	}{
		{"abc", "", []string{"abc", "xabcx"}, []string{"ab", "ABC"}},
		{"^abc", "", []string{"abc", "abcd"}, []string{"xabc", ""}},
		{"^abc$", "", []string{"abc"}, []string{"abcd", "abc\n"}},
		{"abc$", "", []string{"xabc"}, []string{"abc\n", "abcx"}},
		{"^a.c", "i", []string{"AbC", "a\u00e9cd"}, []string{"a\nc", "a\u2028c", "xabc"}},
		{"a.c", "s", []string{"a\nc"}, []string{"ac"}},
		{"^b", "m", []string{"a\nb", "b"}, []string{"ab"}},
		{"a b # c", "x", []string{"ab", "xabx"}, []string{"a b"}},
		{`\d+\.\d`, "", []string{"12.5"}, []string{"12,5", "a.5", "\u0661.\u0661"}},
		{`^\w\W\s\S$`, "", []string{"a- b", "_\u00e9\u00a0x", "a-\ufeffb"}, []string{"ab c"}},
		{`\bcat\b`, "", []string{"a cat.", "\u00e9cat\u00e9"}, []string{"cats"}},
		{`[^]`, "", []string{"\n", "x"}, []string{""}},
		{`[]`, "", nil, []string{"", "x"}},
		{`[\d\-x]`, "", []string{"5", "-", "x"}, []string{"d", "\\"}},
		{`[a-\d]`, "", []string{"a", "-", "7"}, []string{"b"}},
		{`[[:alpha:]]`, "", []string{":]", "a]"}, []string{"x]", "a"}},
		{`[\b]`, "", []string{"\b"}, []string{"b"}},
		{`\A\z\Qa\E`, "", []string{"AzQaE"}, []string{"a"}},
		{`\x41\u0042\u{43}`, "u", []string{"ABC"}, nil},
		{`\ud83d\ude00`, "", []string{"\U0001F600"}, []string{"x"}},
		{`\cJ\0\101\/`, "", []string{"\n\x00A/"}, nil},
		{`a{2}`, "", []string{"aa"}, []string{"a"}},
		{`a{,2}b{`, "", []string{"a{,2}b{"}, []string{"aab"}},
		{`a{1001}`, "", []string{strings.Repeat("a", 1001)}, []string{strings.Repeat("a", 1000)}},
		{`(a)(b)?\2c`, "", []string{"ac", "abbc"}, []string{"b"}},
		{`^(?:(a)|b)\1$`, "", []string{"aa", "b"}, []string{"ab"}},
		{`(?<w>\w)\k<w>`, "", []string{"book"}, []string{"bok"}},
		{`(?<=\$)\d`, "", []string{"$5"}, []string{"5"}},
		{`(?<!\$)\d`, "", []string{"5"}, []string{"$5"}},
		{`a(?=b)`, "", []string{"ab"}, []string{"ac"}},
		{`^(?!.*x)`, "", []string{"abc"}, []string{"abx"}},
		{`(?=a)*b`, "", []string{"b"}, []string{"a"}},
		{`^(?=a)\bA\B`, "i", []string{"ab"}, []string{"a"}},
		{`^\p{Lu}\P{L}$`, "u", []string{"A1"}, []string{"a1", "AB"}},
		{`\p{Script=Greek}`, "u", []string{"\u03b1"}, []string{"a"}},
		{`^abc|d`, "", []string{"abc", "xd"}, []string{"xabc"}},
		{`^ab?c`, "", []string{"ac", "abc"}, []string{"bc"}},
		{`^ab+`, "", []string{"abb"}, []string{"a"}},
		{`^(?:abc)d`, "", []string{"abcd"}, []string{"abc"}},
		{``, "", []string{"", "x"}, nil},
		{`^`, "", []string{"", "x"}, nil},
	} {
		m, err := query.Compile(map[string]any{"s": map[string]any{"$regex": c.pattern, "$options": c.flags}})
		if err != nil {
			t.Errorf("/%s/%s: %v", c.pattern, c.flags, err)
			continue
		}
		for _, s := range c.yes {
			if !m.Match(ejson.Make(ejson.Field{Name: "s", Value: s})) {
				t.Errorf("/%s/%s does not match %q", c.pattern, c.flags, s)
			}
		}
		for _, s := range c.no {
			if m.Match(ejson.Make(ejson.Field{Name: "s", Value: s})) {
				t.Errorf("/%s/%s matches %q", c.pattern, c.flags, s)
			}
		}
	}
	for _, bad := range []string{
		"(", ")", "[", "a**", "*a", "+", "?x", "a{2,1}", "{1}", "(?i)a", "(?P<n>a)", "(?x:a)", `\`, "[b-a]", "(?<n>a)(?<n>b)", "(?<1>a)",
		"a++", "(?", "(?<", "^*", `\b+`,
	} {
		if _, err := query.Compile(map[string]any{"s": map[string]any{"$regex": bad}}); err == nil {
			t.Errorf("/%s/ compiles", bad)
		}
	}
}

// TestPatternTime: a pattern that takes exponential time is given up.
func TestPatternTime(t *testing.T) {
	m := mustCompile(t, []byte(`{"s":{"$regex":"^(a+)+$(?!x)"}}`))
	d := ejson.Make(ejson.Field{Name: "s", Value: strings.Repeat("a", 40) + "!"})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 10_000 {
			if m.Match(d) {
				t.Error("a match")
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatal("still at it")
	}
}

// TestStoredPattern: a regular expression in a document equals the same one.
func TestStoredPattern(t *testing.T) {
	d := mustParse(t, `{"s":{"$regexp":"^a","$flags":"gi"}}`)
	for sel, want := range map[string]bool{
		`{"s":{"$regexp":"^a","$flags":"ig"}}`: true, `{"s":{"$regexp":"^a","$flags":""}}`: false,
		`{"s":{"$eq":{"$regexp":"^a","$flags":"gi"}}}`: true,
	} {
		if got := mustCompile(t, []byte(sel)).Match(d); got != want {
			t.Errorf("%s: %v", sel, got)
		}
	}
}

// TestPatternSteps: a large pattern takes no hours on a long string.
func TestPatternSteps(t *testing.T) {
	const n = 600
	m := mustCompile(t, map[string]any{"a": map[string]any{"$regex": strings.Repeat("a?", n) + strings.Repeat("a", n)}})
	for size, want := range map[int]bool{n - 1: false, n: true, 1 << 20: false} {
		if got := m.Match(textDoc(strings.Repeat("a", size))); got != want {
			t.Errorf("a string of %d: %v", size, got)
		}
	}
	m = mustCompile(t, []byte(`{"a":{"$regex":"b[a-c]$"}}`))
	if !m.Match(textDoc(strings.Repeat("a", 1<<20) + "bc")) {
		t.Error("a small pattern does not match a long string")
	}
}

func textDoc(text string) ejson.Doc {
	return ejson.Make(ejson.Field{Name: "a", Value: text})
}
