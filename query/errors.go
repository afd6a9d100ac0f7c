package query

import (
	"fmt"
	"strings"

	"github.com/replicad/replicad/ddp/ejson"
)

// A SyntaxError reports a selector, sort, projection or modifier that has no
// meaning. It is found when the thing is compiled, never while it runs.
type SyntaxError struct {
	Path string // dotted path to the fault within what was given, "" at the root
	Op   string // the operator at fault, "" where there is none
	Msg  string // what was met, what is wanted, and often a way out
}

func (e *SyntaxError) Error() string { return faultText(e.Path, e.Op, e.Msg) }

// An UpdateError reports a document that a modifier cannot be applied to: $inc
// on a string, a path through a scalar, a result that would be too large. The
// document is left as it was.
type UpdateError struct {
	Path string // dotted path of the field at fault, "" for the whole document
	Op   string // the operator at fault, "" for a replacement
	Msg  string
}

func (e *UpdateError) Error() string { return faultText(e.Path, e.Op, e.Msg) }

// A HintError reports a hint that cannot be followed: there is no such index, or
// it lacks documents that the selector may select.
type HintError struct {
	Hint  string   // as it was given
	Have  []string // the names of the indexes there are
	Lacks bool     // the index is there, and sparse or partial
}

func (e *HintError) Error() string {
	if e.Lacks {
		return "query: hint " + e.Hint + ": the index lacks documents that the selector may select; demand in it what the index is for"
	}
	if len(e.Have) == 0 {
		return "query: hint " + e.Hint + ": no such index, and there is no other"
	}
	return "query: hint " + e.Hint + ": no such index; there are " + strings.Join(e.Have, "; ")
}

func faultText(path, op, msg string) string {
	switch {
	case path == "" && op == "":
		return "query: " + msg
	case path == "" || op == "":
		return "query: " + path + op + ": " + msg
	}
	return "query: " + path + " " + op + ": " + msg
}

func syntaxError(path, op, format string, args ...any) error {
	return &SyntaxError{Path: path, Op: op, Msg: fmt.Sprintf(format, args...)}
}

// met names what a value is, for error texts: "a string", "null".
func met(v ejson.Value) string {
	switch v.Kind() {
	case ejson.Missing:
		return "nothing"
	case ejson.Null:
		return "null"
	case ejson.Bool:
		return "a boolean"
	case ejson.Number:
		return "a number"
	case ejson.String:
		return "a string"
	case ejson.Object:
		return "a document"
	case ejson.List:
		return "a list"
	case ejson.Binary:
		return "binary data"
	case ejson.OID:
		return "an ObjectID"
	case ejson.Date:
		return "a date"
	case ejson.RegexpKind:
		return "a regular expression"
	case ejson.DecimalKind:
		return "a decimal"
	}
	return "a value of a custom type"
}

// suggestion returns "; did you mean $x?" for the known name nearest to name,
// or "" where none is near.
func suggestion(name string, known []string) string {
	bare := strings.Trim(name, "$&% ")
	best, nearest := 3, ""
	for _, k := range known {
		kb := k[1:]
		d := editDistance(strings.ToLower(bare), strings.ToLower(kb))
		// Two slips in a name of three letters leave nothing of it.
		if d < best && (d == 0 || d*2 <= len(kb)) {
			best, nearest = d, k
		}
	}
	if nearest == "" {
		return ""
	}
	return "; did you mean " + strings.TrimSpace(nearest) + "?"
}

// editDistance counts insertions, deletions, substitutions and swaps of
// neighbours between two short names; names too long to be a slip are far.
func editDistance(a, b string) int {
	const longest = 32
	if len(a) > longest || len(b) > longest {
		return longest
	}
	var prev, row, next [longest + 1]int
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], prev[j-2]+1)
			}
		}
		prev, row = row, next
	}
	return row[len(b)]
}
