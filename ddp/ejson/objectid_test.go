package ejson

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestNewObjectID makes ids in several goroutines at once: all differ, have the time
// and the bytes of the process.
func TestNewObjectID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // with a clock that stands still
		const each, makers = 1000, 4
		lists := make([][]ObjectID, makers)
		var all sync.WaitGroup
		for i := range lists {
			all.Go(func() {
				for range each {
					lists[i] = append(lists[i], NewObjectID())
				}
			})
		}
		all.Wait()
		seen := map[ObjectID]bool{}
		for _, list := range lists {
			for _, o := range list {
				seen[o] = true
				if !o.Time().Equal(time.Now()) {
					t.Fatalf("%v has the time %v", o, o.Time())
				}
				if [5]byte(o[4:9]) != [5]byte(lists[0][0][4:9]) || o.IsZero() {
					t.Fatalf("%v and %v were made by one process", o, lists[0][0])
				}
			}
		}
		if len(seen) != each*makers {
			t.Errorf("%d different ids of %d", len(seen), each*makers)
		}
	})
}

func TestObjectIDTime(t *testing.T) {
	for hex, want := range map[string]string{
		"000000000000000000000000": "1970-01-01T00:00:00Z",
		"507f191e810c19729de860ea": "2012-10-17T20:46:22Z",
		"ffffffff0000000000000000": "2106-02-07T06:28:15Z", // the seconds have no sign
	} {
		o, err := ParseObjectID(hex)
		if err != nil {
			t.Fatal(err)
		}
		if got := o.Time().Format(time.RFC3339); got != want {
			t.Errorf("%s: %s, want %s", hex, got, want)
		}
	}
}
