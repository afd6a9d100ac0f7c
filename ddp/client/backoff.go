package client

import (
	"math"
	"math/rand/v2"
	"time"
)

// Backoff is how long Meteor's clients wait before they dial again, after so many
// failures before this one: nothing to speak of after the first two, then 4.8s, 10.6s,
// 23s, … 5 minutes, each a quarter more or less, so that the clients of a server that
// was restarted do not all come at once.
func Backoff(failures int) time.Duration {
	const most = 300
	if failures < 2 {
		return 10 * time.Millisecond
	}
	seconds := min(most, math.Pow(2.2, float64(failures)))
	return time.Duration(seconds * (0.75 + rand.Float64()/2) * float64(time.Second))
}
