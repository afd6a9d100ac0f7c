package sync

import (
	"path/filepath"
	"testing"
	"testing/synctest"
)

// TestSimulationFound runs again what once found a fault, each some times, for those were
// races: a call that returned before its data, what a dropped call foretold and nobody took
// back, and a subscription that the server called ready because it was ending.
func TestSimulationFound(t *testing.T) {
	for _, seed := range []uint64{4053667, 4055617, 5000271, 4093119} {
		for range 10 {
			path := filepath.Join(t.TempDir(), "r.db")
			resumed := uint64(0)
			synctest.Test(t, func(t *testing.T) { simulate(t, seed, path, &resumed) })
		}
	}
}
