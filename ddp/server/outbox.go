package server

import (
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

// fillMark is how many bytes may wait before a subscription that is filling waits
// for the client. The transport has a megabyte of its own, so the line does not
// run dry while the publisher is woken.
const fillMark = 1 << 20

// Frames are kept in chunks. A chunk of 64 KiB is what a socket takes in one system
// call; a message in a thousand is longer, and then its chunk is.
const (
	chunkBytes  = 64 << 10
	chunkFrames = 4096
)

// knownTail is how much of what was sent is kept in any case: a client that received it
// may not have made use of it yet (ours counts what its disk has). Beyond that, what it
// has shown to have received is forgotten; it is asked for a sign that often.
const knownTail = 256 << 10

// outbox is what a client has been sent, as far as it may still ask for it again,
// and behind that what waits to be sent. It belongs to Session.mu, but for taken.
//
// Frames have positions: 0 is the first that was ever put in. The client counts
// the messages that it receives, connected among them, which is in no outbox since
// each socket has its own. So its count and the position differ by offset, which
// changes with each socket.
//
// Invariant: first <= at <= frames, and start <= at. All frames from first on are in
// chunks, those of chunks[i+1] after those of chunks[i].
type outbox struct {
	tailBytes  int64         // so much of what was sent is kept; 0: nothing
	tailFrames int64         // likewise
	tailAge    time.Duration // likewise

	chunks []*chunk
	cur    int    // the chunk that at is in, or behind
	first  int64  // the first frame that is kept
	at     int64  // the first frame that was not given to the transport
	frames int64  // frames that were ever put in
	close  bool   // the last chunk gets no more frames
	busy   bool   // the last chunk became full
	spare  *chunk // a small one to be used again

	known int64 // frames that the client has shown to have received
	asked int64 // taken when it was asked for a sign last

	start  int64 // the first frame of this socket
	offset int64 // the client's count, when it has received frame p, is p + offset

	mark   int64         // who fills a subscription waits above this
	put    int64         // bytes that were ever put in
	bulk   int64         // of these, bytes of steps that are one step, and count once
	until  int64         // put after the last such step
	room   chan struct{} // closed when there is room again; nil if nobody waits
	sealed bool          // nothing is put in any more
	wake   chan struct{} // capacity 1: there is something, or it is sealed

	leftBytes, leftFrames int64 // put and frames when the client went away

	taken atomic.Int64 // bytes up to at; while a writer is at work, it alone changes it
}

// chunk is some frames that follow each other, end to end in one buffer.
type chunk struct {
	first  int64 // position of the first frame
	before int64 // outbox.put before it
	bytes  []byte
	ends   []uint32
	begun  time.Time // when the first frames of it were sent
	sent   time.Time // when the last were
}

// end is the position behind the last frame.
func (c *chunk) end() int64 { return c.first + int64(len(c.ends)) }

var chunks = sync.Pool{New: func() any {
	return &chunk{bytes: make([]byte, 0, chunkBytes+chunkBytes/8), ends: make([]uint32, 0, 256)}
}}

// batch is frames that the writer is to write. They stay as they are while it does.
type batch struct {
	bytes []byte
	from  uint32 // where the first begins
	ends  []uint32
}

func (o *outbox) init(limit int, tailBytes, tailFrames int, age time.Duration) {
	o.tailBytes, o.tailFrames, o.tailAge = int64(tailBytes), int64(tailFrames), age
	o.mark = int64(min(fillMark, limit/2))
	if tailBytes > 0 {
		o.mark = min(o.mark, int64(tailBytes)/2)
	}
	o.offset = 2 // connected is message 1, frame 0 is message 2
	o.wake = make(chan struct{}, 1)
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

// left notes that the client is away from now on.
func (o *outbox) left() { o.leftBytes, o.leftFrames = o.put, o.frames }

// strayed reports whether more came while the client is away than is kept for it.
func (o *outbox) strayed() bool {
	return o.put-o.leftBytes > o.tailBytes || o.frames-o.leftFrames > o.tailFrames
}

// frame puts in a frame that fill appends to its argument.
func (o *outbox) frame(fill func([]byte) []byte) {
	if o.sealed {
		return
	}
	c := o.open()
	before := len(c.bytes)
	c.bytes = fill(c.bytes)
	c.ends = append(c.ends, uint32(len(c.bytes)))
	o.put += int64(len(c.bytes) - before)
	o.frames++
	if o.frames == o.at+1 {
		o.signal()
	}
}

// open returns the chunk that takes the next frame. In a burst it is a full one from
// the pool; a quiet session has small ones, which grow as needed.
func (o *outbox) open() *chunk {
	if n := len(o.chunks); n > 0 {
		c := o.chunks[n-1]
		full := len(c.bytes) >= chunkBytes || len(c.ends) >= chunkFrames
		if !full && !o.close {
			return c
		}
		o.busy = full
	}
	c := o.spare
	switch {
	case o.busy:
		c = chunks.Get().(*chunk)
	case c == nil:
		c = new(chunk)
	default:
		o.spare = nil
	}
	c.first, c.before = o.frames, o.put
	o.chunks = append(o.chunks, c)
	o.close = false
	return c
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

// unwritten returns frames that wait, all of one chunk; none if none do.
func (o *outbox) unwritten() batch {
	for o.cur < len(o.chunks) {
		c := o.chunks[o.cur]
		if n := int(o.at - c.first); n < len(c.ends) {
			b := batch{bytes: c.bytes, ends: c.ends[n:]}
			if n > 0 {
				b.from = c.ends[n-1]
			}
			return b
		}
		if o.cur == len(o.chunks)-1 {
			break // it may still grow
		}
		o.cur++
	}
	return batch{}
}

// written notes that the first n frames of the batch were given to the transport,
// and forgets what need not be kept. Only the writer may call it, since chunks are
// used again.
func (o *outbox) written(n int, now time.Time) {
	if n == 0 {
		return
	}
	o.at += int64(n)
	c := o.chunks[o.cur]
	if c.begun.IsZero() {
		c.begun = now
	}
	c.sent = now
	// A chunk is forgotten as a whole, so those of a client to which little is sent
	// must not take in frames for ever.
	if now.Sub(c.begun) > o.tailAge/4 && o.cur == len(o.chunks)-1 {
		o.close = true
	}
	o.trim(now)
}

// trim forgets chunks that were sent, and are too old or too many to be kept.
func (o *outbox) trim(now time.Time) {
	n := 0
	for ; n < len(o.chunks); n++ {
		c := o.chunks[n]
		end := c.end()
		behind := o.taken.Load() - c.before - int64(len(c.bytes))
		if end > o.at || now.Sub(c.sent) < o.tailAge && o.at-end < o.tailFrames &&
			behind < o.tailBytes && (end > o.known || behind < knownTail) {
			break
		}
		o.first = end
		size := cap(c.bytes)
		o.busy = len(c.bytes) >= chunkBytes/2
		*c = chunk{bytes: c.bytes[:0], ends: c.ends[:0]}
		if size >= chunkBytes && size <= 4*chunkBytes {
			chunks.Put(c)
		} else if o.tailBytes == 0 && size < 4<<10 {
			o.spare = c
		}
	}
	if n == 0 {
		return
	}
	kept := copy(o.chunks, o.chunks[n:])
	clear(o.chunks[kept:])
	o.chunks = o.chunks[:kept]
	o.cur = max(0, o.cur-n)
	if kept == 0 {
		o.chunks = nil
	}
}

// ask reports whether it is time to ask the client for a sign of how far it read, which
// it gives by a pong.
func (o *outbox) ask() bool {
	taken := o.taken.Load()
	if o.tailBytes == 0 || taken-o.asked < knownTail {
		return false
	}
	o.asked = taken
	return true
}

// received notes that the client has all frames before p.
func (o *outbox) received(p int64) { o.known = max(o.known, p) }

// expiry returns when the oldest chunk is too old to be kept, and zero where nothing
// is kept that was sent.
func (o *outbox) expiry() time.Time {
	if len(o.chunks) == 0 || o.chunks[0].end() > o.at {
		return time.Time{}
	}
	return o.chunks[0].sent.Add(o.tailAge)
}

// position returns the first frame that a client lacks that has counted so many
// messages, and whether that can be and the frame is kept. While the last socket is
// not done with, only that it is too early can be told.
func (o *outbox) position(count int, done bool) (int64, bool) {
	p := max(o.start, int64(count)+1-o.offset)
	ok := count > 0 && int64(count)+2 >= o.start+o.offset && p >= o.first && o.at-p <= o.tailFrames
	return p, ok && (!done || p <= o.at)
}

// rewind makes p the next frame to be written, to a client that has counted so many
// messages and will count connected next.
func (o *outbox) rewind(p int64, count int) {
	o.at, o.start, o.offset = p, p, int64(count)+2-p
	o.received(p)
	o.cur = max(0, min(len(o.chunks)-1, sort.Search(len(o.chunks), func(i int) bool {
		return o.chunks[i].end() > p
	})))
	bytes := o.put
	if len(o.chunks) > 0 {
		c := o.chunks[o.cur]
		bytes = c.before
		if n := p - c.first; n > 0 {
			bytes += int64(c.ends[n-1])
		}
	}
	o.taken.Store(bytes)
	o.asked = bytes
	o.bulk, o.until = o.put-bytes, o.put // what gathered is one step
	o.signal()
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
