package peer

import (
	"strings"
	"time"

	"github.com/replicad/replicad/bench"
)

// steps are after how many operations of a workload its check looks at what came of
// them. It stops at a step when the next would take too long.
var steps = []int{1, 10, 100}

// asked is how many questions of W3 and W5 a check asks.
const asked = 20

// check returns what the workload answers. Observers of a check keep what they are told.
func (c *child) check(work string, within time.Duration) ([]Answer, error) {
	var a answer
	switch work {
	case "W3":
		for i := range asked {
			if _, err := c.peer.(byAuthor).ByAuthor(c.par.authors[i], a.add); err != nil {
				return nil, err
			}
		}
		return []Answer{{asked, a.set()}}, nil
	case "W4":
		_, err := c.peer.(scanner).Scan(a.add)
		return []Answer{{1, a.set()}}, err
	case "W5":
		for i := range asked {
			if _, err := c.peer.(newester).Newest(c.par.rooms[i], 20, a.add); err != nil {
				return nil, err
			}
		}
		return []Answer{{asked, a.list()}}, nil
	}

	var before answer
	if strings.HasPrefix(work, "W7") {
		if err := c.startChurn(work); err != nil {
			return nil, err
		}
	}
	if err := c.watch(work, true); err != nil {
		return nil, err
	}
	if strings.HasPrefix(work, "W6") {
		if err := c.shown(work, &before); err != nil {
			return nil, err
		}
	}
	var all []Answer
	begin, done := time.Now(), 0
	for _, upTo := range steps {
		if time.Since(begin)*9 > within { // a step is ten times the one before
			break
		}
		if err := c.operate(work, done, upTo, &a); err != nil {
			return nil, err
		}
		done = upTo
		var text string
		switch work[:2] {
		case "W2":
			text = a.set()
		case "W6":
			var now answer
			if err := c.shown(work, &now); err != nil {
				return nil, err
			}
			text = now.since(before)
		case "W7":
			var now answer
			if err := c.shown(work, &now); err != nil {
				return nil, err
			}
			text = now.list()
		}
		all = append(all, Answer{done, text})
	}
	if w, ok := c.peer.(watcher); ok {
		w.Unwatch()
	}
	return all, nil
}

// operate makes the operations of a check from one number to below another.
func (c *child) operate(work string, from, to int, a *answer) (err error) {
	if work == "W6a batch" {
		return c.peer.(batchIncrementer).IncBatch(c.par.incs[from:to])
	}
	if strings.HasPrefix(work, "W7") {
		return c.churned(to - from)
	}
	for i := from; i < to && err == nil; i++ {
		if work == "W2" {
			err = c.peer.(finder).ByID(c.par.ids[i], a.add)
		} else {
			err = c.peer.(incrementer).Inc(c.par.incs[i])
		}
	}
	return err
}

// shown adds up what a check of W6 or W7 looks at: what the observers show; without
// any the documents that change, or the window as a question.
func (c *child) shown(work string, a *answer) error {
	if w, ok := c.peer.(watcher); ok && !strings.HasPrefix(work, "W6a") {
		if err := w.Settle(); err != nil {
			return err
		}
		w.Shown(a.add)
		return nil
	}
	if strings.HasPrefix(work, "W7") {
		_, err := c.peer.(newester).Newest(bench.Room(bench.ChurnRoom), 50, a.add)
		return err
	}
	for i := range steps[len(steps)-1] {
		if err := c.peer.(finder).ByID(c.par.incs[i], a.add); err != nil {
			return err
		}
	}
	return nil
}

// watch starts the observers of W6b, W6c or W7.
func (c *child) watch(work string, check bool) error {
	w, ok := c.peer.(watcher)
	if !ok {
		return nil
	}
	switch {
	case work == "W6b":
		for i := range bench.Rooms {
			if err := w.Watch("room", bench.Room(i), false, check); err != nil {
				return err
			}
		}
	case work == "W6c":
		for i := range bench.Authors {
			if err := w.Watch("author", bench.Author(i), false, check); err != nil {
				return err
			}
		}
	case strings.HasPrefix(work, "W7"):
		return w.Watch("room", bench.Room(bench.ChurnRoom), true, check)
	}
	return nil
}

// startChurn inserts the documents that a stream starts with.
func (c *child) startChurn(work string) error {
	where := map[string]bench.Where{"W7": bench.Anywhere, "W7 in-room": bench.InRoom, "W7 in-window": bench.InWindow}[work]
	c.churn, c.pos = bench.NewChurn(c.n, where), 0
	p := c.peer.(churner)
	c.change = make([]any, c.churn.Len())
	for i := range c.change {
		op := c.churn.Op(i)
		c.change[i] = p.PrepareChange(int(op.Kind), op.Doc)
	}
	for _, d := range c.churn.Start() {
		if err := p.Change(int(bench.Insert), p.PrepareChange(int(bench.Insert), d)); err != nil {
			return err
		}
	}
	return nil
}

// churned makes changes of the stream and waits until all observers know them.
func (c *child) churned(ops int) error {
	p := c.peer.(churner)
	for range ops {
		at := c.pos % len(c.change)
		if err := p.Change(int(c.churn.Op(at).Kind), c.change[at]); err != nil {
			return err
		}
		c.pos++
	}
	if w, ok := c.peer.(watcher); ok {
		return w.Settle()
	}
	return nil
}

// endChurn leaves the collection as startChurn found it.
func (c *child) endChurn() error {
	if c.churn == nil {
		return nil
	}
	if left := c.pos % len(c.change); left > 0 {
		if err := c.churned(len(c.change) - left); err != nil {
			return err
		}
	}
	p := c.peer.(churner)
	for _, d := range c.churn.Start() {
		if err := p.Change(int(bench.Remove), p.PrepareChange(int(bench.Remove), d)); err != nil {
			return err
		}
	}
	c.churn, c.change = nil, nil
	return nil
}
