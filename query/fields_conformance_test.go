package query_test

import (
	"fmt"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

func TestConformanceProjection(t *testing.T) {
	vectors(t, "projection.jsonl", nil, func(c, want ejson.Doc) string {
		spec := c.Field("fields")
		f, err := query.CompileFields(spec)
		if want.Field("error").Bool() {
			if err == nil {
				return fmt.Sprintf("projection %s compiles, and should not", spec)
			}
			return ""
		}
		if err != nil {
			return fmt.Sprintf("projection %s: %v", spec, err)
		}
		d := c.Field("doc").Doc()
		if got := f.Apply(d); !got.Same(want.Field("result").Doc()) {
			return fmt.Sprintf("projection %s of %s: got %s, want %s", spec, d, got, want.Field("result"))
		}
		return ""
	})
}
