//go:build unix

package observe

import (
	"syscall"
	"testing"
)

// reportCPU reports the processor time of a benchmark's operation beside the time
// on the clock, which says little where others use the machine: defer
// reportCPU(b)() where the timer starts.
func reportCPU(b *testing.B) func() {
	used := func() int64 {
		var r syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
			b.Fatal(err)
		}
		return r.Utime.Nano() + r.Stime.Nano()
	}
	before := used()
	return func() {
		b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op")
	}
}
