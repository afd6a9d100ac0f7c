package ejson

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// point and money are the custom types that the vectors register.
type point struct{ x, y Value }

type money struct {
	cents    float64
	currency string
}

func init() {
	Register("point2",
		func(p point) (any, error) { return Make(Field{"x", p.x}, Field{"y", p.y}), nil },
		func(v Value) (point, error) { return point{v.Doc().Field("x"), v.Doc().Field("y")}, nil })
	Register("money",
		func(m money) (any, error) { return []any{m.cents, m.currency}, nil },
		func(v Value) (money, error) {
			if v.Array().Len() != 2 {
				return money{}, fmt.Errorf("want two elements, got %d", v.Array().Len())
			}
			return money{v.Array().At(0).Number(), v.Array().At(1).Str()}, nil
		})
}

// deviations are the rules by which we answer otherwise than the recording, with
// the reason. A case counts as a quirk only if it falls under one of them.
var deviations = []struct {
	rule string
	is   func(c *vector) bool
}{
	{
		"__proto__ and callee are ordinary names: that JavaScript sets a prototype, and that " +
			"Meteor takes an object with callee for a list, are accidents of their implementation",
		func(c *vector) bool {
			return c.Kind == "parse" && slices.Contains(c.Tags, "js-quirk") &&
				(strings.Contains(c.JSON, `"__proto__"`) || strings.Contains(c.JSON, `"callee"`))
		},
	},
	{
		"regular expressions are equal if source and flags are: minimongo compares them as objects without properties",
		func(c *vector) bool {
			return c.Kind == "equals" && c.Quirk && strings.Contains(c.A+c.B, `"$regexp"`)
		},
	},
}

type vector struct {
	ID                     string
	Kind                   string
	Tags                   []string
	Error, Quirk           bool
	JSON                   string
	Stringify, Canonical   json.RawMessage
	CloneCanonical         string
	TopType                string
	ReparseEqual           bool
	CloneEqual             bool
	Indent                 any
	Text                   string
	A, B                   string
	Equal, EqualReversed   bool
	EqualKeyOrderSensitive bool
}

func TestConformanceEJSON(t *testing.T) {
	for _, file := range vectorFiles("ejson.jsonl") {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		passed, failed, quirks := 0, 0, 0
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<24)
		for n := 1; lines.Scan(); n++ {
			var c vector
			if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
				t.Fatalf("%s:%d: %v", file, n, err)
			}
			err := c.check()
			switch {
			case err == nil:
				passed++
			case c.deviation() != "":
				quirks++
			default:
				failed++
				t.Errorf("%s:%d: %s: %v", file, n, c.ID, err)
			}
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
		report(t, file, passed, failed, quirks)
	}
}

// vectorFiles returns the file in testdata, and the one of that name in the
// folder that REPLICAD_VECTORS names.
func vectorFiles(name string) []string {
	files := []string{filepath.Join("testdata", name)}
	if dir := os.Getenv("REPLICAD_VECTORS"); dir != "" {
		if file := filepath.Join(dir, name); fileExists(file) {
			files = append(files, file)
		}
	}
	return files
}

func fileExists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func report(t *testing.T, file string, passed, failed, quirks int) {
	t.Helper()
	line := fmt.Sprintf("%s: %d passed, %d failed, %d quirks", filepath.Base(file), passed, failed, quirks)
	t.Log(line)
	fmt.Println(line)
}

func (c *vector) deviation() string {
	for _, d := range deviations {
		if d.is(c) {
			return d.rule
		}
	}
	return ""
}

// strictly parses as Meteor does: a custom type must be registered.
func strictly(text string) (Value, error) {
	d := Decoder{Strict: true}
	d.Reset([]byte(text))
	v, err := d.Value()
	if err == nil {
		err = d.End()
	}
	return v, err
}

func (c *vector) check() error {
	switch c.Kind {
	case "parse":
		return c.checkParse()
	case "equals":
		return c.checkEquals()
	case "indent":
		v, err := strictly(c.JSON)
		if err != nil {
			return err
		}
		canonical, _ := strconv.ParseBool(string(c.Canonical))
		return same("text", string(Style{Canonical: canonical, Indent: indentOf(c.Indent)}.Append(nil, v)), c.Text)
	}
	return fmt.Errorf("a case of the unknown kind %q", c.Kind)
}

// indentOf is what JSON.stringify makes of its third argument.
func indentOf(x any) string {
	switch x := x.(type) {
	case bool:
		if x {
			return "  "
		}
	case float64:
		return strings.Repeat(" ", int(min(max(x, 0), 10)))
	case string:
		return x[:min(len(x), 10)]
	}
	return ""
}

func (c *vector) checkParse() error {
	v, err := strictly(c.JSON)
	if c.Error {
		if err == nil {
			return fmt.Errorf("parsed %s, want an error", c.JSON)
		}
		return nil
	}
	if err != nil {
		return err
	}
	var wantText, wantCanonical string
	if json.Unmarshal(c.Stringify, &wantText) != nil || json.Unmarshal(c.Canonical, &wantCanonical) != nil {
		return fmt.Errorf("odd case")
	}
	text := string(v.AppendJSON(nil))
	again, err := strictly(text)
	if err != nil {
		return fmt.Errorf("parse what was written, %s: %w", text, err)
	}
	canonical := string(Style{Canonical: true}.Append(nil, v))
	for _, err := range []error{
		same("stringify", inJSOrder(text), wantText),
		same("canonical", canonical, wantCanonical),
		same("cloneCanonical", canonical, c.CloneCanonical),
		same("topType", topType(v), c.TopType),
		same("reparseEqual", v.Same(again), c.ReparseEqual),
		same("equal to a copy", v.Kind() == Date && v.Millis() == invalidDate || v.Equal(again), true),
	} {
		if err != nil {
			return err
		}
	}
	// A clone of an invalid date is not equal to it; otherwise clones are equal.
	clone, _ := strictly(c.JSON)
	return same("cloneEqual", v.Same(clone), c.CloneEqual)
}

func (c *vector) checkEquals() error {
	a, err := strictly(c.A)
	if err != nil {
		return err
	}
	b, err := strictly(c.B)
	if err != nil {
		return err
	}
	for _, err := range []error{
		same("equal", a.Same(b), c.Equal),
		same("equalReversed", b.Same(a), c.EqualReversed),
		same("equalKeyOrderSensitive", a.Equal(b), c.EqualKeyOrderSensitive),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

func same[T comparable](what string, got, want T) error {
	if got != want {
		return fmt.Errorf("%s: got %v, want %v", what, got, want)
	}
	return nil
}

func topType(v Value) string {
	switch v.Kind() {
	case CustomKind:
		typ, _ := v.Custom()
		return "custom:" + typ
	case DecimalKind:
		return "custom:Decimal"
	}
	return map[Kind]string{
		Null: "null", Bool: "boolean", Number: "number", String: "string", Object: "object",
		List: "array", Binary: "binary", OID: "oid", Date: "date", RegexpKind: "regexp",
	}[v.Kind()]
}

// inJSOrder writes JSON text as JavaScript would after reading it: names that
// look like array indexes come first, in the order of the numbers. Our documents
// keep the order of the text, which for text that JavaScript wrote is the same.
func inJSOrder(text string) string {
	v, err := ParsePlain([]byte(text))
	if err != nil {
		return err.Error()
	}
	return string(jsOrdered(v).AppendPlainJSON(nil))
}

func jsOrdered(v Value) Value {
	switch v.Kind() {
	case List:
		var b ListBuilder
		for _, x := range v.Array().All() {
			b.Append(jsOrdered(x))
		}
		return b.Array().Value()
	case Object:
		type field struct {
			index uint64
			name  string
			v     Value
		}
		var fields []field
		for name, x := range v.Doc().Fields() {
			index, err := strconv.ParseUint(name, 10, 32)
			if err != nil || strconv.FormatUint(index, 10) != name || index == 1<<32-1 {
				index = 1 << 32
			}
			fields = append(fields, field{index, name, jsOrdered(x)})
		}
		slices.SortStableFunc(fields, func(a, b field) int { return int(int64(a.index) - int64(b.index)) })
		var b Builder
		for _, f := range fields {
			b.Add(f.name, f.v)
		}
		return b.Doc().Value()
	}
	return v
}
