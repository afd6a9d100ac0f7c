package wire

import (
	"context"
	"sync"
	"time"
)

// PipeOptions configure Pipe. The zero value is a perfect link.
type PipeOptions struct {
	// Queue is how many bytes each side may have under way before its Write waits;
	// 0 means 1 MiB. One frame may always be under way, however long.
	Queue int
	// Frame, if not nil, is asked about every frame at the moment it is written:
	// after what delay it arrives (never before an earlier one of its side), and
	// whether it is lost without anyone noticing, as on a half-open connection. The
	// side is 0 for frames of the first end and 1 for those of the second. It must
	// not keep the frame. It may be called by two goroutines at once.
	Frame func(side int, frame []byte) (delay time.Duration, lost bool)
}

// PipeEnd is one end of a pipe, a Transport in memory.
type PipeEnd struct {
	side int
	link *link
	in   *lane // frames to this end
	out  *lane // frames to the other
	buf  []byte

	once sync.Once
}

// link is what the two ends share.
type link struct {
	frame   func(side int, frame []byte) (time.Duration, bool)
	cut     chan struct{} // closed by Cut
	cutOnce sync.Once
}

// Pipe returns two connected transports. They work in a testing/synctest bubble.
func Pipe(opts PipeOptions) (a, b *PipeEnd) {
	limit := opts.Queue
	if limit == 0 {
		limit = 1 << 20
	}
	l := &link{frame: opts.Frame, cut: make(chan struct{})}
	ab, ba := &lane{limit: limit}, &lane{limit: limit}
	return &PipeEnd{side: 0, link: l, in: ba, out: ab}, &PipeEnd{side: 1, link: l, in: ab, out: ba}
}

// Cut breaks the link for both ends at once: frames under way are lost, and every
// Read and Write, also those that wait, gives ErrCut. It is a lost network, not a
// farewell.
func (p *PipeEnd) Cut() { p.link.cutOnce.Do(func() { close(p.link.cut) }) }

// Read implements Transport.
func (p *PipeEnd) Read() ([]byte, error) {
	for {
		if err := p.broken(); err != nil {
			return nil, err
		}
		frame, wait, more, err := p.in.next()
		if err != nil {
			return nil, err
		}
		if more == nil {
			// Lent as the contract says: the next Read overwrites it.
			p.buf = append(p.buf[:0], frame...)
			return p.buf, nil
		}
		if err := p.wait(wait, more); err != nil {
			return nil, err
		}
	}
}

// wait waits for a change of the lane or, if d is not zero, until d has passed.
func (p *PipeEnd) wait(d time.Duration, change <-chan struct{}) error {
	var arrival <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		arrival = t.C
	}
	select {
	case <-arrival:
	case <-change:
	case <-p.link.cut:
		return ErrCut
	}
	return nil
}

// Write implements Transport.
func (p *PipeEnd) Write(ctx context.Context, frame []byte, urgent bool) error {
	var delay time.Duration
	if p.link.frame != nil {
		var lost bool
		if delay, lost = p.link.frame(p.side, frame); lost {
			return p.broken()
		}
	}
	for {
		if err := p.broken(); err != nil {
			return err
		}
		room, err := p.out.push(frame, delay, urgent)
		if err == errRefused {
			err = p.in.reason()
		}
		if room == nil {
			return err
		}
		select {
		case <-room:
		case <-p.link.cut:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// broken returns ErrCut once the link is cut.
func (p *PipeEnd) broken() error {
	select {
	case <-p.link.cut:
		return ErrCut
	default:
		return nil
	}
}

// Close implements Transport. The other end still reads what is under way, then a
// CloseError; with CodeDrop it loses that, and gets code 1006.
func (p *PipeEnd) Close(code int, text string) error {
	p.once.Do(func() {
		farewell := &CloseError{Code: code, Text: text}
		if code == CodeDrop {
			farewell = &CloseError{Code: CodeDropped}
		}
		p.out.finish(farewell, code == CodeDrop)
		p.in.refuse()
	})
	return nil
}
