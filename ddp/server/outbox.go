package server

import (
	"sync/atomic"
	"time"
)

// fillMark is how many bytes may wait before a subscription that is filling waits
// for the client. The transport has a megabyte of its own, so the line does not
// run dry while the publisher is woken.
const fillMark = 1 << 20

// outbox is what waits to be written to the client: frames end to end in one
// buffer, and the end of each. It belongs to Session.mu, but for taken.
type outbox struct {
	frames batch
	mark   int64         // who fills a subscription waits above this
	put    int64         // bytes that were ever put in
	bulk   int64         // of these, bytes of steps that are one step, and count once
	until  int64         // put after the last such step
	room   chan struct{} // closed when there is room again; nil if nobody waits
	sealed bool          // nothing is put in any more
	done   chan struct{} // closed when it is sealed and all was written
	wake   chan struct{} // capacity 1: there is something, or it is sealed

	taken atomic.Int64 // bytes that the transport took; written by the writer alone
}

// batch is some frames. The zero batch is empty.
type batch struct {
	bytes []byte
	ends  []int
}

// end closes the frame that was appended to bytes.
func (b *batch) end() { b.ends = append(b.ends, len(b.bytes)) }

// reset empties b and keeps its memory, unless a step of unusual size made it large.
func (b *batch) reset() {
	if cap(b.bytes) > 4*fillMark {
		b.bytes, b.ends = nil, nil
	}
	b.bytes, b.ends = b.bytes[:0], b.ends[:0]
}

func (o *outbox) init(limit int) {
	o.mark = int64(min(fillMark, limit/2))
	o.wake = make(chan struct{}, 1)
	o.done = make(chan struct{})
}

// queued returns how many bytes wait, those that the transport is being given
// included.
func (o *outbox) queued() int64 { return o.put - o.taken.Load() }

// over reports whether more waits than a client may leave lying. A step that was
// one for us (a subscription that ends, a change of user) can be larger than that
// by itself and is no fault of the client, so it does not count until it is gone.
func (o *outbox) over(limit int) bool {
	taken := o.taken.Load()
	if taken >= o.until {
		o.bulk = 0
	}
	return o.put-taken-o.bulk > int64(limit)
}

// frame puts in a frame that fill appends to its argument.
func (o *outbox) frame(fill func([]byte) []byte) {
	if o.sealed {
		return
	}
	before := len(o.frames.bytes)
	o.frames.bytes = fill(o.frames.bytes)
	o.finish(before)
}

// finish counts a frame that was appended behind before.
func (o *outbox) finish(before int) {
	o.put += int64(len(o.frames.bytes) - before)
	o.frames.end()
	if len(o.frames.ends) == 1 {
		o.signal()
	}
}

// exempt marks everything put in since from as one step.
func (o *outbox) exempt(from int64) {
	if o.taken.Load() >= o.until {
		o.bulk = 0
	}
	o.bulk += o.put - from
	o.until = o.put
}

// seal ends the outbox: what is in it is still written.
func (o *outbox) seal() {
	o.sealed = true
	o.signal()
}

func (o *outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// await returns a channel that is closed when half of mark is left again, and
// nil if it has now.
func (o *outbox) await() <-chan struct{} {
	if o.queued() <= o.mark/2 {
		return nil
	}
	if o.room == nil {
		o.room = make(chan struct{})
	}
	return o.room
}

// rouse lets those go on who wait for room, if there is some.
func (o *outbox) rouse() {
	if o.room != nil && o.queued() <= o.mark/2 {
		close(o.room)
		o.room = nil
	}
}

// write is the goroutine that gives the frames to the transport, which may make it
// wait. It ends with the session, or when the outbox is sealed and empty.
func (s *Session) write() {
	defer close(s.out.done)
	var b batch
	for {
		if !s.awaitFrames(&b) {
			return
		}
		s.mu.Lock()
		s.out.frames, b = b, s.out.frames
		sealed := s.out.sealed
		s.mu.Unlock()
		start, told := 0, 0
		for _, end := range b.ends {
			if err := s.transport.Write(s.ctx, b.bytes[start:end], false); err != nil {
				s.cancel(err)
				return
			}
			s.out.taken.Add(int64(end - start))
			start = end
			if end-told >= fillMark/8 {
				told = end
				s.mu.Lock()
				s.out.rouse()
				s.mu.Unlock()
			}
		}
		s.mu.Lock()
		s.out.rouse()
		s.mu.Unlock()
		if sealed {
			return
		}
		b.reset()
	}
}

// awaitFrames waits until there is something to write. A session that has been
// quiet for a second gives back the memory of its last burst: a thousand quiet
// clients then keep 64 MiB and not gigabytes. It reports false when the session
// has ended.
func (s *Session) awaitFrames(b *batch) bool {
	const usual = 32 << 10
	var quiet <-chan time.Time
	if cap(b.bytes) > usual {
		t := time.NewTimer(time.Second)
		defer t.Stop()
		quiet = t.C
	}
	for {
		select {
		case <-s.out.wake:
			return true
		case <-quiet:
			*b = batch{}
			s.mu.Lock()
			if len(s.out.frames.ends) == 0 {
				s.out.frames = batch{}
			}
			s.mu.Unlock()
		case <-s.ctx.Done():
			return false
		}
	}
}
