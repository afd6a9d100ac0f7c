package sync

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/replicad/replicad/ddp/client"
)

func (s *simulation) dial(ctx context.Context, url string) (client.Transport, error) {
	s.world.mu.Lock() // before s.mu
	srv := s.world.srv
	s.world.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == "down" || s.state != "good" && s.link.IntN(4) == 0 {
		return nil, errors.New("no route")
	}
	ours, theirs := client.Pipe(client.PipeOptions{Frame: s.frame})
	s.ends = append(s.ends, ours)
	near, far := client.Transport(ours), client.Transport(theirs)
	if s.stutters {
		far = &stutter{Transport: far, s: s, says: []string{"method", "sub", "unsub"}}
		if s.world.grace < 0 { // else the client would count what the server has not sent
			near = &stutter{Transport: near, s: s, says: []string{"result", "updated", "ready", "nosub"}}
		}
	}
	go srv.Serve(context.Background(), far)
	return near, nil
}

// stutter is an end of a link that gives some messages twice.
type stutter struct {
	client.Transport
	s     *simulation
	says  []string // the kinds of messages
	again []byte
}

// Read implements client.Transport.
func (t *stutter) Read() ([]byte, error) {
	if b := t.again; b != nil {
		t.again = nil
		return b, nil
	}
	b, err := t.Transport.Read()
	if err != nil {
		return b, err
	}
	for _, kind := range t.says {
		if bytes.HasPrefix(b, []byte(`{"msg":"`+kind+`"`)) && t.s.twice() {
			t.again = bytes.Clone(b)
		}
	}
	return b, nil
}

func (s *simulation) twice() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state != "good" && s.link.IntN(4) == 0
}

// frame is the fate of one frame.
func (s *simulation) frame(side int, frame []byte) (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.state {
	case "slow":
		return time.Duration(s.link.IntN(300)) * time.Millisecond, false
	case "deaf": // a connection that is dead, and does not say so
		return 0, true
	}
	return time.Duration(s.link.IntN(3)) * time.Millisecond, false
}

func (s *simulation) setLink(state string) {
	s.mu.Lock()
	was := s.state
	s.state = state
	s.mu.Unlock()
	if was == "deaf" || state == "down" {
		s.cut() // frames are missing: the connection cannot go on
	}
}

func (s *simulation) cut() {
	s.mu.Lock()
	ends := s.ends
	s.ends = nil
	s.mu.Unlock()
	for _, end := range ends {
		end.Cut()
	}
}
