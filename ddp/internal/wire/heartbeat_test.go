package wire

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestHeartbeat plays silences and answers against a heartbeat and notes when it
// pings and when it gives up, in milliseconds.
func TestHeartbeat(t *testing.T) {
	for _, c := range []struct {
		name              string
		interval, timeout int
		heard             func(at int) bool // a frame arrives at that millisecond
		answer            int               // delay of the answer to a ping; 0: none
		deaf              [2]int
		until             int
		want              string
	}{
		{name: "silent server", interval: 300, timeout: 300, until: 2000,
			want: "[ping 300 lost 600]"},
		{name: "answered at every second tick", interval: 300, timeout: 300, answer: 1, until: 1600,
			want: "[ping 300 ping 900 ping 1500]"},
		{name: "any traffic counts", interval: 300, timeout: 300, until: 1500,
			heard: func(at int) bool { return at%130 == 0 }, want: "[]"},
		{name: "traffic stops", interval: 300, timeout: 100, until: 3000,
			heard: func(at int) bool { return at == 350 }, want: "[ping 300 ping 900 lost 1000]"},
		{name: "one ping at a time", interval: 100, timeout: 1000, until: 2000,
			want: "[ping 100 lost 1100]"},
		{name: "late answer", interval: 100, timeout: 1000, answer: 950, until: 1250,
			want: "[ping 100 ping 1200]"},
		{name: "never", interval: -1, timeout: 100, until: 2000, want: "[]"},
		{name: "deaf", interval: 300, timeout: 100, deaf: [2]int{200, 1250}, answer: 1, until: 1900,
			want: "[ping 300 ping 600 ping 900 ping 1200 ping 1800]"},
		{name: "deaf after the ping", interval: 300, timeout: 100, deaf: [2]int{350, 1000}, until: 1900,
			want: "[ping 300 ping 600 ping 900 ping 1500 lost 1600]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var mu sync.Mutex
				log := []string{}
				note := func(what string) {
					mu.Lock()
					defer mu.Unlock()
					log = append(log, fmt.Sprint(what, " ", time.Since(start).Milliseconds()))
				}
				answers := []int{}
				ms := time.Millisecond
				h := NewHeartbeat(time.Duration(c.interval)*ms, time.Duration(c.timeout)*ms, func() {
					note("ping")
					if c.answer > 0 {
						mu.Lock()
						defer mu.Unlock()
						answers = append(answers, int(time.Since(start).Milliseconds())+c.answer)
					}
				}, func() { note("lost") })
				tick := time.NewTicker(ms)
				defer tick.Stop()
				for at := 1; at <= c.until; at++ {
					<-tick.C
					synctest.Wait()
					deaf := c.deaf[0] <= at && at < c.deaf[1]
					if at == c.deaf[0] || at == c.deaf[1] {
						h.Deaf(deaf)
					}
					mu.Lock()
					if !deaf && (c.heard != nil && c.heard(at) || slices.Contains(answers, at)) {
						h.Heard()
					}
					mu.Unlock()
				}
				h.Stop()
				<-time.After(10 * time.Second)
				if got := fmt.Sprint(log); got != c.want {
					t.Errorf("got  %s\nwant %s", got, c.want)
				}
			})
		})
	}
}

// TestHeartbeatStop stops from within the callbacks.
func TestHeartbeatStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made := make(chan *Heartbeat, 1)
		pings := make(chan struct{}, 10)
		made <- NewHeartbeat(time.Second, time.Second, func() {
			pings <- struct{}{}
			(<-made).Stop()
		}, func() { t.Error("lost") })
		<-time.After(time.Minute)
		if len(pings) != 1 {
			t.Fatal(len(pings))
		}
	})
}
