package ejson

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestConformanceVectors runs the parts on EJSON and ids of the vectors that
// stand beside the recordings of DDP.
func TestConformanceVectors(t *testing.T) {
	for _, file := range vectorFiles("vectors.json") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var v struct {
			IDStringify, IDParse []struct {
				Type  string
				Wire  string
				Value json.RawMessage
			}
			EJSONParseStringify []struct{ In, Out, Error string }
			EJSONStringify      []struct{ Desc, Out string }
		}
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatal(err)
		}
		passed, failed := 0, 0
		count := func(name string, err error) {
			if err != nil {
				failed++
				t.Errorf("%s: %v", name, err)
				return
			}
			passed++
		}
		for _, c := range v.IDStringify {
			id := ID{}
			if c.Type != "undefined" {
				x, err := ParsePlain(c.Value)
				if err == nil && c.Type == "oid" {
					var o ObjectID
					o, err = ParseObjectID(x.Str())
					x = OIDValue(o)
				}
				if err == nil {
					id, err = IDOf(x)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			count("idStringify "+string(c.Value), same("wire", id.Wire(), c.Wire))
			count("idStringify as JSON "+string(c.Value), same("wire", string(id.AppendWireJSON(nil)), strconv.Quote(c.Wire)))
		}
		for _, c := range v.IDParse {
			id, err := ParseWireID(c.Wire)
			if err != nil {
				count("idParse "+c.Wire, err)
				continue
			}
			got := id.Value()
			typ := map[Kind]string{Missing: "undefined", Null: "null", Bool: "boolean", Number: "number",
				String: "string", Object: "object", OID: "oid"}[got.Kind()]
			text := string(got.AppendPlainJSON(nil))
			if got.Kind() == OID {
				text = strconv.Quote(got.ObjectID().String())
			}
			want := c.Value
			if c.Type == "undefined" {
				want = []byte("null")
			}
			compact, _ := ParsePlain(want)
			count("idParse "+c.Wire, same("type", typ, c.Type))
			count("idParse "+c.Wire, same("value", text, string(compact.AppendPlainJSON(nil))))
		}
		for _, c := range v.EJSONParseStringify {
			x, err := strictly(c.In)
			switch {
			case c.Error != "":
				if err == nil {
					count(c.In, fmt.Errorf("parsed, want an error like %q", c.Error))
				} else {
					count(c.In, nil)
				}
			case err != nil:
				count(c.In, err)
			default:
				count(c.In, same("out", inJSOrder(x.String()), c.Out))
			}
		}
		for _, c := range v.EJSONStringify {
			// The description is the object, but for one that is told in words.
			var x Value
			if strings.HasPrefix(c.Desc, "nested date") {
				x = Make(Field{"$date", DateValue(7)}).Value()
			} else {
				desc, _, _ := strings.Cut(c.Desc, " as ")
				if x, err = ParsePlain([]byte(desc)); err != nil {
					t.Fatal(err)
				}
			}
			count(c.Desc, same("out", x.String(), c.Out))
		}
		report(t, file, passed, failed, 0)
	}
}
