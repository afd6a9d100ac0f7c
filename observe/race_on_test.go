//go:build race

package observe

// usualChanges is the size of the random test; the race detector takes ten times
// as long for each change.
const usualChanges = 8_000

const raceDetector = true
