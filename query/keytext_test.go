package query_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/replicad/replicad/query"
)

// TestKeyTexts: the keys of a sort say what was compiled, also where a path begins
// with a sign.
func TestKeyTexts(t *testing.T) {
	for _, path := range []string{"a", "-", "+", "-a", "+a", "--", "++", "+-a", "-+a", "++-", "a-", "-.b"} {
		for _, dir := range []int{1, -1} {
			s, err := query.CompileSortSpec(fmt.Appendf(nil, `{%q:%d}`, path, dir))
			if err != nil {
				t.Fatal(err)
			}
			again, err := query.CompileSort(s.Keys()...)
			if err != nil || !slices.Equal(again.Keys(), s.Keys()) {
				t.Fatalf("%s %d has the keys %q, and these %v", path, dir, s.Keys(), err)
			}
			a, b := mustParse(t, fmt.Sprintf(`{"_id":1,"a":2,"-a":2,"+a":2,%q:1}`, path)), mustParse(t, fmt.Sprintf(`{"_id":1,"a":2,"-a":2,"+a":2,%q:9}`, path))
			if path != "-.b" && (s.Compare(a, b) != -dir || again.Compare(a, b) != -dir) {
				t.Errorf("%s %d: %d, by its keys %q %d", path, dir, s.Compare(a, b), s.Keys(), again.Compare(a, b))
			}
		}
	}
	if s, err := query.CompileSort("-a", "+b", "+-c"); err != nil || fmt.Sprint(s.Keys()) != "[-a +b +-c]" {
		t.Errorf("%v, %v", s.Keys(), err)
	}
}
