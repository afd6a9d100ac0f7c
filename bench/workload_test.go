package bench

import (
	"crypto/sha256"
	"fmt"
	"testing"
)

// TestWorkloadIsTheSame holds the data set to the letter: peers in other languages
// make the same, and figures of two trees compare only then.
func TestWorkloadIsTheSame(t *testing.T) {
	sum := sha256.New()
	size := 0
	for _, d := range Docs(1, 1000) {
		line := d.AppendJSON(nil)
		size += len(line)
		sum.Write(line)
	}
	const want = "a81cf2118dfb95ba"
	if got := fmt.Sprintf("%x", sum.Sum(nil)[:8]); got != want {
		t.Errorf("the documents' digest is %s, wants %s", got, want)
	}
	if mean := size / 1000; mean < 270 || mean > 310 {
		t.Errorf("documents of %d bytes, wants about 290", mean)
	}
}
