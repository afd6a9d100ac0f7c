package query

import (
	"encoding/json"

	"github.com/replicad/replicad/ddp/ejson"
)

// valueOf turns what a caller gave into a value: an EJSON value, EJSON text, or
// any Go value that ejson takes. what names it in the error.
func valueOf(what string, x any) (v ejson.Value, err error) {
	switch x := x.(type) {
	case ejson.Value:
		return x, nil
	case ejson.Doc:
		return x.Value(), nil
	case json.RawMessage:
		v, err = ejson.ParseValue(x)
	case []byte:
		v, err = ejson.ParseValue(x)
	default:
		v, err = ejson.ValueOf(x)
	}
	if err != nil {
		return ejson.Value{}, syntaxError("", "", "%s: %v", what, err)
	}
	return v, nil
}

// documentOf is valueOf for what has to be a document.
func documentOf(what string, x any) (ejson.Doc, error) {
	v, err := valueOf(what, x)
	if err != nil {
		return ejson.Doc{}, err
	}
	if v.Kind() != ejson.Object {
		return ejson.Doc{}, syntaxError("", "", "%s: wants a document, got %s", what, met(v))
	}
	return v.Doc(), nil
}

// isEJSON reports whether x came as EJSON and not as a value of Go, whose nil is
// not null.
func isEJSON(x any) bool {
	switch x.(type) {
	case ejson.Value, []byte, json.RawMessage:
		return true
	}
	return false
}
