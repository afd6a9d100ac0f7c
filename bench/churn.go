package bench

import "github.com/replicad/replicad/ddp/ejson"

// OpKind says what an Op does.
type OpKind uint8

// The kinds of Op.
const (
	Insert OpKind = iota
	Update
	Remove
)

// Op is one change of W7.
type Op struct {
	Kind OpKind
	Doc  ejson.Doc // as it is after the change; for Remove, what goes
}

// Where says which documents the changes of W7 hit.
type Where uint8

// The places, from far to near.
const (
	Anywhere Where = iota // rooms drawn at random: one change in a hundred hits the observed one
	InRoom                // the observed room, anywhere in its order
	InWindow              // the observed room, among its 50 newest: each change changes the result
)

// String names the place as benchmarks do.
func (w Where) String() string { return [...]string{"anywhere", "in-room", "in-window"}[w] }

// ChurnRoom is the number of the room that W7 observes.
const ChurnRoom = 7

// churnRounds is how many inserts a stream has, and how many updates and removals.
const churnRounds = 1024

// Churn is the stream of changes of W7, made beforehand: what is timed draws and
// builds nothing. An insert, an update and a removal take turns. After Len changes
// every document is as it was, so that the stream can be repeated for ever.
type Churn struct {
	start []ejson.Doc
	ops   []Op
}

// NewChurn draws the stream for a collection of n documents.
func NewChurn(n int, where Where) *Churn {
	kept, alive := 1000, churnRounds/2
	if where == InWindow {
		kept, alive = 16, 16 // 33 at most, so that no change falls out of the 50
	}
	r := NewRand(7)
	ts := func() ejson.Value {
		ms := Start + int64(r.Intn(1_000_000_000))
		if where == InWindow {
			ms += 1_000_000_000
		}
		return ejson.DateValue(ms)
	}
	draw := func(i int) ejson.Doc {
		d := Doc(r, n+i)
		if where != Anywhere {
			d = d.WithValue("room", ejson.StringValue(Room(ChurnRoom)))
		}
		return d.WithValue("ts", ts())
	}
	c := &Churn{}
	versions := make([][2]ejson.Doc, kept)
	for i := range versions {
		d := draw(i)
		versions[i] = [2]ejson.Doc{d, d.WithValue("ts", ts())}
		c.start = append(c.start, d)
	}
	fresh := make([]ejson.Doc, churnRounds)
	for i := range fresh {
		fresh[i] = draw(kept + i)
	}
	c.start = append(c.start, fresh[churnRounds-alive:]...)
	// The second half updates the same documents as the first, so each is updated
	// back to its first version.
	picks := make([]int, churnRounds/2)
	for i := range picks {
		picks[i] = r.Intn(kept)
	}
	now := make([]int, kept)
	for i := range churnRounds {
		k := picks[i%len(picks)]
		now[k] = 1 - now[k]
		c.ops = append(c.ops,
			Op{Insert, fresh[i]},
			Op{Update, versions[k][now[k]]},
			Op{Remove, fresh[(i+churnRounds-alive)%churnRounds]})
	}
	return c
}

// Start returns the documents that are to be inserted before the first change.
func (c *Churn) Start() []ejson.Doc { return c.start }

// Len returns the number of changes until the stream begins anew.
func (c *Churn) Len() int { return len(c.ops) }

// Op returns change number i, from 0.
func (c *Churn) Op(i int) Op { return c.ops[i%len(c.ops)] }
