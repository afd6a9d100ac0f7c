//go:build !race

package observe

// usualChanges is the size of the random test, some seconds.
const usualChanges = 40_000

const raceDetector = false
