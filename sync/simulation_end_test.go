package sync

import (
	"context"
	"slices"
	"testing/synctest"
	"time"
)

// mend makes the link good.
func (s *simulation) mend() {
	s.say("the link is good")
	s.setLink("good")
	s.world.mu.Lock()
	s.world.refuses, s.world.stalls, s.world.hangs = false, 0, false
	s.world.mu.Unlock()
	s.r.Reconnect()
}

// drain has all that is in the outbox sent.
func (s *simulation) drain() {
	time.Sleep(time.Minute)
	s.logins.Wait()
	users := 2
	if s.stalls {
		users = 0
	}
	for _, user := range []string{"ann", "bob"}[:users] { // each has calls to be sent
		if _, err := s.r.Login(context.Background(), Token(user)); err != nil {
			s.fault("login: %v", err)
		}
		time.Sleep(10 * time.Minute)
	}
	if err := s.r.Logout(context.Background()); err != nil {
		s.fault("logout: %v", err)
	}
	for name, sub := range s.subs {
		if sub.Err() != nil {
			s.subs[name] = s.subscribe(name) // it was refused
		}
	}
}

// end compares.
func (s *simulation) end() {
	groups, b, never := []int(nil), false, false
	for name := range s.subs {
		switch name {
		case "group 0":
			groups = append(groups, 0)
		case "group 1":
			groups = append(groups, 1)
		case "b":
			b = true
		case "never":
			never = true
		}
	}
	synctest.Wait()
	st := s.r.Status()
	if st.Phase != Live || st.Stale != 0 || st.Calls != 0 || st.Skipped != 0 || st.Durable != st.Seq {
		s.fault("status %+v", st)
	}
	for name, sub := range s.subs {
		select {
		case <-sub.on.ready:
		default:
			if name != "never" {
				s.fault("%s is not ready", name)
			}
		}
	}
	s.mu.Lock()
	unmade := slices.Clone(s.unmade)
	s.mu.Unlock()
	s.world.mu.Lock()
	for _, id := range s.promised {
		if s.world.runs[id] == 0 && !slices.Contains(unmade, id) {
			s.fault("call %s was promised, and never run", id)
		}
	}
	for _, id := range unmade {
		if s.world.runs[id] > 0 {
			s.fault("call %s was not to be run", id)
		}
	}
	for _, id := range s.once {
		if s.world.runs[id] > 1 && s.put == 0 {
			s.fault("call %s was run %d times", id, s.world.runs[id])
		}
	}
	for _, fault := range s.world.orders {
		s.fault("%s", fault)
	}
	s.world.mu.Unlock()
	if st.Outbox != 0 {
		s.fault("%d calls in the outbox", st.Outbox)
	}
	if n := s.r.Store().Snapshot().Len(shadowCollection); n != 0 {
		s.fault("%d shadows", n)
	}
	want := s.world.published(groups, true, b, never)
	snap := s.r.Store().Snapshot()
	have := 0
	for _, collection := range []string{"a", "b", "c", "u"} {
		for _, doc := range snap.Each(collection) {
			have++
			if w, ok := want[collection+"/"+doc.ID().String()]; !ok {
				s.fault("%s has %v, which the server does not publish", collection, doc)
			} else if !w.Same(doc) {
				s.fault("%s has %v, the server %v", collection, doc, w)
			}
		}
	}
	if have != len(want) {
		s.fault("%d documents, the server publishes %d", have, len(want))
	}
	s.r.do(context.Background(), func(l *loop) {
		for what, n := range l.remembered() {
			if n > 0 && !slices.Contains([]string{"subs", "subsByKey", "entries", "failed", "latest"}, what) && !(what == "session: filling" && never) {
				s.fault("%d %s at the end", n, what)
			}
		}
	})
	if err := s.r.Close(); err != nil {
		s.fault("close: %v", err)
	}
	s.calls.Wait()
	s.cut()
}
