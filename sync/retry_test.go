package sync

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
)

// TestRetryPolicy: which refusals are tried again, how often and after how long.
func TestRetryPolicy(t *testing.T) {
	named := ejson.Make(ejson.Field{Name: "timeToReset", Value: 7000})
	for _, test := range []struct {
		name     string
		policies map[string]RetryPolicy
		err      ddp.Error
		refusals int
		low      time.Duration // the wait is at least this, and below twice as much; 0: it is not tried again
	}{
		{"nothing said: rate limits only", nil, ddp.Error{Code: "too-many-requests"}, 50, 225 * time.Second},
		{"nothing said: nothing else", nil, ddp.Error{Code: "500"}, 0, 0},
		{"the time that the error names", nil, ddp.Error{Code: "too-many-requests", Details: named}, 0, 7 * time.Second},
		{"a class of errors", map[string]RetryPolicy{"m": {Codes: []string{"503", "500"}}}, ddp.Error{Code: "500"}, 0, 750 * time.Millisecond},
		{"and no other", map[string]RetryPolicy{"m": {Codes: []string{"503", "500"}}}, ddp.Error{Code: "403"}, 0, 0},
		{"all", map[string]RetryPolicy{"m": {Codes: []string{"*"}}}, ddp.Error{Code: "403"}, 1, 1650 * time.Millisecond},
		{"so often", map[string]RetryPolicy{"m": {Codes: []string{"*"}, Attempts: 3}}, ddp.Error{Code: "500"}, 1, 1650 * time.Millisecond},
		{"and not more often", map[string]RetryPolicy{"m": {Codes: []string{"*"}, Attempts: 3}}, ddp.Error{Code: "500"}, 2, 0},
		{"another method's", map[string]RetryPolicy{"other": {Codes: []string{"*"}}}, ddp.Error{Code: "500"}, 0, 0},
		{"everybody's", map[string]RetryPolicy{"": {Codes: []string{"500"}}}, ddp.Error{Code: "500"}, 0, 750 * time.Millisecond},
		{"everybody's, but not this one's", map[string]RetryPolicy{"": {Codes: []string{"500"}}, "m": {}}, ddp.Error{Code: "500"}, 0, 0},
		{"its own waits", map[string]RetryPolicy{"m": {Codes: []string{"*"}, After: time.Minute, Max: 2 * time.Minute}}, ddp.Error{Code: "500"}, 9, 90 * time.Second},
		{"never before the time that is named", map[string]RetryPolicy{"m": {Codes: []string{"*"}, After: time.Millisecond}}, ddp.Error{Code: "500", Details: named}, 0, 7 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := Options{Retries: test.policies, Logger: quietLog()}.withDefaults()
			after, again := o.Retry("m", &test.err, test.refusals)
			if again != (test.low > 0) || after < test.low || test.low > 0 && after >= 2*test.low {
				t.Errorf("again %v after %v, want %v or a little more", again, after, test.low)
			}
		})
	}
}

// A call is tried as often as its method's policy says, and is a dead letter then; it
// does not start anew with the process.
func TestRetryAttempts(t *testing.T) {
	path := t.TempDir() + "/r.db"
	inScene(t, func(t *testing.T, sc *scene) {
		policy := func(o *Options) {
			o.Retries = map[string]RetryPolicy{"m": {Codes: []string{"500"}, Attempts: 3, After: time.Second}}
		}
		sc.open(kept(path), policy)
		p := sc.accept()
		call := sc.must(Method{Name: "m"})
		p.answer(p.wantMethod("m"), `,"error":{"error":500}`)
		p.quiet()
		time.Sleep(2 * time.Second)
		p.answer(p.wantMethod("m"), `,"error":{"error":500}`)
		sc.outbox("m queued")
		sc.ended(call, nil, errPending)
		sc.r.Close()

		sc.open(kept(path), policy)
		p = sc.accept()
		time.Sleep(5 * time.Second)
		p.answer(p.wantMethod("m"), `,"error":{"error":500}`)
		sc.outbox("m failed")
		again, err := sc.r.Pending(call.ID())
		if err != nil {
			t.Fatal(err)
		}
		sc.ended(again, nil, &ddp.Error{Code: "500"})
		other := sc.must(Method{Name: "m"})
		p.answer(p.wantMethod("m"), `,"error":{"error":403}`) // of no class that is tried again
		sc.ended(other, nil, &ddp.Error{Code: "403"})
	})
}

// The clock was wrong when a call was refused for now, and the file says that it may be
// tried in a hundred years: it waits as long as it would if it were refused now.
func TestRetryByAnotherClock(t *testing.T) {
	path := t.TempDir() + "/r.db"
	inScene(t, func(t *testing.T, sc *scene) {
		sc.open(kept(path))
		p := sc.accept()
		late := fmt.Sprintf(`,"after":{"$date":%d}}`, time.Now().Add(100*365*24*time.Hour).UnixMilli())
		text := `{"_id":"x","method":"m","state":"queued","refusals":1,"error":{"code":"too-many-requests","details":{"timeToReset":60000}}` + late
		if n, err := sc.r.Import(t.Context(), strings.NewReader(text)); n != 1 || err != nil {
			t.Fatalf("%d imported (%v)", n, err)
		}
		p.quiet()
		time.Sleep(50 * time.Second)
		sc.r.Close()

		sc.open(kept(path)) // which has it as it was exported
		p = sc.accept()
		p.quiet()
		time.Sleep(time.Minute)
		p.quiet()
		time.Sleep(time.Second)
		p.answer(p.wantMethod("m"), "")
		sc.outbox()
	})
}

// The program's own Retry decides instead.
func TestRetryFunction(t *testing.T) {
	inScene(t, func(t *testing.T, sc *scene) {
		var asked []int
		sc.open(func(o *Options) {
			o.Retries = map[string]RetryPolicy{"m": {Codes: []string{"*"}}}
			o.Retry = func(method string, err *ddp.Error, refusals int) (time.Duration, bool) {
				asked = append(asked, refusals)
				return time.Hour, refusals < 1
			}
		})
		p := sc.accept()
		call := sc.must(Method{Name: "m"})
		p.answer(p.wantMethod("m"), `,"error":{"error":500}`)
		synctest.Wait()
		time.Sleep(time.Hour)
		p.answer(p.wantMethod("m"), `,"error":{"error":500}`)
		sc.ended(call, nil, &ddp.Error{Code: "500"})
		if len(asked) != 2 || asked[0] != 0 || asked[1] != 1 {
			t.Errorf("asked after %v refusals", asked)
		}
	})
}

// A call that is refused for now when its user has logged out waits for the user too.
func TestRetryOfTheGone(t *testing.T) {
	for _, back := range []time.Duration{time.Minute, time.Hour} { // before it may be tried again, and after
		t.Run(back.String(), func(t *testing.T) {
			path := t.TempDir() + "/r.db"
			inScene(t, func(t *testing.T, sc *scene) {
				sc.loggedIn(path, "a")
				sc.r.Close()
				sc.open(kept(path), func(o *Options) {
					o.Retry = func(method string, err *ddp.Error, refusals int) (time.Duration, bool) {
						return map[string]time.Duration{"m": 10 * time.Minute, "n": time.Second}[method], true
					}
				})
				p := sc.quoted("s1", 5).takenUp("s1")
				p.wantSub("s")
				sc.subscribe("s", "x")
				call := sc.must(Method{Name: "m"})
				m := p.wantMethod("m")
				go sc.r.Logout(context.Background())
				logout := p.wantMethod("logout")
				p.answer(m, `,"error":{"error":"too-many-requests"}`)
				sc.outbox("m parked")
				p.answer(logout, "")
				sc.must(Method{Name: "n"}) // which has the replica look for what may be tried again
				p.answer(p.wantMethod("n"), `,"error":{"error":"too-many-requests"}`)
				time.Sleep(back)
				p.answer(p.wantMethod("n"), "")
				p.quiet()
				sc.login(Token("t1"))
				p.welcome(p.wantResume("t1"), "ann", "t1")
				time.Sleep(10 * time.Minute)
				p.answer(p.wantMethod("m"), "")
				sc.ended(call, nil, nil)
				sc.outbox()
			})
		})
	}
}
