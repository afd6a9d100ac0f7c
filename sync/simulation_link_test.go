package sync

import (
	"context"
	"errors"
	"time"

	"github.com/replicad/replicad/ddp/client"
)

func (s *simulation) dial(ctx context.Context, url string) (client.Transport, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == "down" || s.state != "good" && s.link.IntN(4) == 0 {
		return nil, errors.New("no route")
	}
	ours, theirs := client.Pipe(client.PipeOptions{Frame: s.frame})
	s.ends = append(s.ends, ours)
	go s.srv.Serve(context.Background(), theirs)
	return ours, nil
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
