package sync

import (
	"errors"
	"fmt"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/ejson"
)

// ErrTooLong is the result of a call, and the end of a subscription, by whose length the
// server closed the connection. The call was not run.
var ErrTooLong = errors.New("sync: the server takes no message so long")

const (
	// tooBig is the code with which a server closes a connection on which a message came
	// that is longer than it takes.
	tooBig = 1009

	// sureLength is what any server takes.
	sureLength = 16 << 10
)

// tooLong finds the message by whose length the server must have closed the connection:
// the longest that it has not answered. To send it again would end the next connection,
// and every one after that. What it returns refuses it, after the connection.
func (l *loop) tooLong(err error) (refuse func()) {
	refuse = func() {}
	var closed *client.CloseError
	if !errors.As(err, &closed) || closed.Code != tooBig {
		return refuse
	}
	longest := sureLength
	var b []byte
	longer := func(m ddp.Message) bool {
		b = ddp.Append(b[:0], m)
		longer := len(b) > longest
		longest = max(longest, len(b))
		return longer
	}
	why := func() error { return fmt.Errorf("%w: %d bytes", ErrTooLong, longest) }
	for _, c := range l.calls {
		if c.sent && c.result == nil && longer(c.message()) {
			refuse = func() { l.refuseCall(c, why()) }
		}
	}
	for _, sub := range l.subs {
		if sub.sent && longer(ddp.Sub{ID: sub.id, Name: sub.name, Params: sub.params}) {
			refuse = func() { l.refuseSub(sub, why()) }
		}
	}
	return refuse
}

func (l *loop) refuseSub(sub *subscribed, err error) {
	if l.subs[sub.id] != sub {
		return
	}
	l.log.Error("sync: subscription refused", "name", sub.name, "id", sub.id, "err", err)
	l.forget(sub)
	sub.end(err)
}

// refuseCall ends a call that was not run: what its stub foretold is taken back.
func (l *loop) refuseCall(c *call, err error) {
	if l.calls[c.id] != c {
		return // it has ended with the connection
	}
	l.log.Error("sync: call refused; it is not sent again", "id", c.id, "method", c.method.Name, "err", err)
	l.dequeue(c)
	if c.kept != nil {
		l.retired = append(l.retired, retired{c: c, err: err, unsent: true})
		l.recordRetired()
		return
	}
	if err := l.takeBackAll([]string{c.id}); err != nil {
		l.log.Error("sync: what ended calls foretold is not taken back", "err", err)
	}
	l.finishCall(c, ejson.Value{}, err)
	if c.then != nil {
		c.then(ejson.Value{}, err)
	}
}
