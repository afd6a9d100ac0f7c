package server_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/replicad/replicad/ddp/internal/wire"
)

// tally counts messages: those that are as recorded, those that are not, and the
// answers that are knowingly others.
type tally struct{ passed, failed, quirks int }

func cmpCode(code int) int {
	switch code {
	case 0:
		return wire.CodeNormal
	case wire.CodeDropped:
		return wire.CodeDrop
	}
	return code
}

func compare(t *testing.T, n int, what string, got, want []any, sum *tally) {
	for i := range max(len(got), len(want)) {
		var g, w any
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if !reflect.DeepEqual(g, w) {
			gt, _ := json.Marshal(g)
			wt, _ := json.Marshal(w)
			t.Errorf("conn %d: %s: %d:\n got %s\nwant %s", n, what, i, gt, wt)
			sum.failed += len(want) - min(i, len(want))
			return
		}
		sum.passed++
	}
}

// normal takes results out of the messages, puts data messages that follow each
// other in the order of their documents, and what is random out of all. Sessions are
// numbered in the order in which they came.
func normal(t *testing.T, frames []json.RawMessage, ids map[string]string) (order, results []any) {
	t.Helper()
	session := ""
	var data []map[string]any
	flush := func() {
		slices.SortStableFunc(data, func(a, b map[string]any) int {
			return strings.Compare(fmt.Sprint(a["collection"], "/", a["id"]), fmt.Sprint(b["collection"], "/", b["id"]))
		})
		for _, d := range data {
			order = append(order, d)
		}
		data = nil
	}
	for _, frame := range frames {
		var m map[string]any
		if err := json.Unmarshal(frame, &m); err != nil {
			t.Fatalf("%s: %v", frame, err)
		}
		switch m["msg"] {
		case "connected":
			session = m["session"].(string)
			if ids[session] == "" {
				ids[session] = fmt.Sprintf("(session %d)", len(ids)+1)
			}
			m["session"] = ids[session]
		case "added", "changed", "removed":
			if m["msg"] == "added" {
				delete(m, "cleared") // line 88
			}
			data = append(data, m)
			continue
		case "result":
			if r, ok := m["result"].(map[string]any); ok {
				if id, ok := r["conn"].(string); ok && id != "" && strings.HasPrefix(session, id) {
					r["conn"] = ids[session]
				}
				if _, ok := r["tokenExpires"]; ok {
					r["tokenExpires"], r["token"] = "(date)", "(token)"
				}
				if s, ok := r["seed"]; ok && s == nil {
					for k := range r {
						r[k] = "(random)"
					}
				}
			}
			results = append(results, m)
			continue
		case "nosub":
			if m["id"] == "" {
				delete(m, "id")
			}
		}
		flush()
		order = append(order, m)
	}
	flush()
	return order, results
}
