package query

import (
	"strings"

	"github.com/replicad/replicad/ddp/ejson"
)

// naturalHint asks for a scan.
const naturalHint = "$natural"

// HintOf reads a hint in any form that drivers take, for [Options.Hint]: the
// name of an index, "$natural", or the keys of an index as [CompileSortSpec]
// takes them: {room: 1, ts: -1}, ["room", "-ts"]. {$natural: 1} is a scan, and a
// Go nil no hint.
func HintOf(spec any) (string, error) {
	if name, ok := spec.(string); ok || spec == nil {
		return name, nil
	}
	v, err := valueOf("hint", spec)
	if err != nil {
		return "", err
	}
	switch v.Kind() {
	case ejson.String:
		return v.Str(), nil
	case ejson.Object:
		if way := v.Doc().Field(naturalHint); !way.IsMissing() {
			if v.Doc().Len() > 1 || way.Kind() != ejson.Number || way.Number() != 1 {
				return "", syntaxError(naturalHint, "", "hint: only {$natural: 1}, alone; to go backwards sort by -_id or a date")
			}
			return naturalHint, nil
		}
	case ejson.List:
	default:
		return "", syntaxError("", "", "hint: wants the name of an index or its keys, got %s", met(v))
	}
	keys, err := specKeys("hint", v)
	return strings.Join(keyTexts(keys), ","), err
}
