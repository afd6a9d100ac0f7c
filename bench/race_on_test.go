//go:build race

package bench

// raceDetector tells whether the race detector is on.
const raceDetector = true
