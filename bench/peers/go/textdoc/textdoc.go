// Package textdoc is documents as JSON text, for the peers that keep text by key.
package textdoc

import (
	"encoding/json"

	"github.com/tidwall/gjson"

	"github.com/replicad/replicad/bench/peers/peer"
	"github.com/replicad/replicad/ddp/ejson"
)

// Keyed is the text of a document with its _id.
type Keyed struct{ Key, Text string }

// Of returns the texts of documents, ts as a number, which an index can compare.
func Of(list []ejson.Doc) []Keyed {
	out := make([]Keyed, len(list))
	for i, d := range list {
		p := peer.Plain(d)
		text, err := json.Marshal(struct {
			*peer.Doc
			TS int64 `json:"ts"`
		}{p, p.TS.Millis})
		if err != nil {
			panic(err)
		}
		out[i] = Keyed{p.ID, string(text)}
	}
	return out
}

// Tell gives take what it wants of a text, unless it is nil.
func Tell(text string, take peer.Take) {
	if take != nil {
		take(int(gjson.Get(text, "n").Int()), gjson.Get(text, "ts").Int(), int(gjson.Get(text, "nested.likes").Int()))
	}
}

// Selected is the predicate of W4.
func Selected(text string) (is bool) {
	if !gjson.Get(text, "flag").Bool() || gjson.Get(text, "nested.a.b").Int() <= 500 {
		return false
	}
	gjson.Get(text, "tags").ForEach(func(_, tag gjson.Result) bool {
		switch tag.Str {
		case "tag3", "tag17", "tag40":
			is = true
		}
		return !is
	})
	return is
}
