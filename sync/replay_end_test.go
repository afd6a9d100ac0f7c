package sync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
)

// end ends a connection, and checks what has come of it.
func (p *player) end() {
	if p.peer == nil {
		return
	}
	p.catchUp()
	time.Sleep(time.Minute) // what nobody speaks for goes
	synctest.Wait()
	if len(p.peer.frames) > 0 {
		p.peer.lives()
		synctest.Wait()
	}
	snap := p.r.Store().Snapshot()
	for _, collection := range snap.Collections() {
		if strings.HasPrefix(collection, reserved) {
			continue
		}
		if have, want := snap.Len(collection), len(p.model[collection]); have != want {
			p.t.Errorf("%s has %d documents, the recording %d", collection, have, want)
		}
	}
	for collection, docs := range p.model {
		for wire, fields := range docs {
			id, err := ejson.ParseWireID(wire)
			if err != nil {
				p.t.Fatal(err)
			}
			var b ejson.Builder
			b.Add("_id", id.Value())
			for name, v := range fields {
				b.Add(name, v)
			}
			if doc, _ := snap.Get(collection, id); !doc.Same(b.Doc()) {
				p.t.Errorf("%s has %v, the recording %v", collection, doc, b.Doc())
			}
		}
	}
	for id, s := range p.subs {
		p.checkSub(id, s)
	}
	for _, c := range p.ended {
		p.checkCall(c)
	}
	p.peer.end.Cut()
	p.peer = nil
	synctest.Wait()
	for _, c := range p.ended {
		if !c.done && errors.Is(c.out.err, ErrUnknownOutcome) && slices.Contains(p.how.noRetry, c.want.ID.(string)) {
			c.done, c.out = true, &outcome{} // as it should be
		}
	}
}

func (p *player) checkSub(id string, s *playedSub) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := s.sub.Ready(ctx)
	var refused *ddp.Error
	switch {
	case s.refuse != nil:
		if !errors.As(err, &refused) || refused.Code != fmt.Sprint(s.refuse) {
			p.t.Errorf("sub %s: %v, the recording has error %v", id, err, s.refuse)
		}
	case s.ended:
		if !errors.Is(err, ErrEnded) && !errors.Is(err, ErrStopped) {
			p.t.Errorf("sub %s: %v, though it has ended", id, err)
		}
	case s.ready != (err == nil):
		p.t.Errorf("sub %s: %v, ready in the recording: %v", id, err, s.ready)
	}
}

func (p *player) checkCall(c *playedCall) {
	var refused *ddp.Error
	switch {
	case !c.done:
		if c.out.err != errPending {
			p.t.Errorf("method %v came to %+v, and has no result in the recording", c.want.Method, c.out)
		}
	case c.want.Error != nil:
		if !errors.As(c.out.err, &refused) || refused.Code != fmt.Sprint(c.want.Error.Error) {
			p.t.Errorf("method %v came to %+v, in the recording to error %v", c.want.Method, c.out, c.want.Error)
		}
	case c.out.err != nil:
		p.t.Errorf("method %v came to %+v, in the recording to %s", c.want.Method, c.out, c.want.Result)
	case c.want.Result != nil:
		want, err := ejson.ParseValue(c.want.Result)
		if err != nil {
			p.t.Fatal(err)
		}
		if got, err := ejson.ValueOf(c.out.value); err != nil || !got.Same(want) {
			p.t.Errorf("method %v came to %v, in the recording to %s", c.want.Method, got.Any(), c.want.Result)
		}
	}
}
