package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// demoCollection is what the demo publishes.
const demoCollection = "tasks"

// demoData makes and changes the demo's tasks, from a seed. It is not safe for
// use by several goroutines.
type demoData struct {
	rng   *rand.Rand
	store *store.Store
	ids   []ejson.ID
	next  int
}

func newDemoData(s *store.Store) *demoData {
	return &demoData{rng: rand.New(rand.NewPCG(20, 26)), store: s}
}

// demoWords make the texts.
var demoWords = strings.Fields(`call order check paint count move repair weigh clean measure
	label pack the red blue old new spare north south pallet crate shelf door valve pump
	ladder truck fuse filter before after today tomorrow again at noon with care`)

// demoStart is when the first task was made: a moment that does not depend on
// the day on which the demo runs.
const demoStart = 1_790_000_000_000

// task makes the next document.
func (g *demoData) task() ejson.Doc {
	n := g.next
	g.next++
	words := make([]string, 9+g.rng.IntN(8))
	for i := range words {
		words[i] = demoWords[g.rng.IntN(len(demoWords))]
	}
	id := g.id()
	g.ids = append(g.ids, id)
	return ejson.Make(
		ejson.Field{Name: "_id", Value: id.String()},
		ejson.Field{Name: "list", Value: fmt.Sprintf("list-%02d", g.rng.IntN(100))},
		ejson.Field{Name: "author", Value: fmt.Sprintf("user-%03d", g.rng.IntN(1000))},
		ejson.Field{Name: "text", Value: strings.Join(words, " ")},
		ejson.Field{Name: "createdAt", Value: time.UnixMilli(demoStart + int64(n)*1000).UTC()},
		ejson.Field{Name: "priority", Value: g.rng.Float64()},
		ejson.Field{Name: "n", Value: n},
		ejson.Field{Name: "done", Value: g.rng.IntN(3) == 0},
	)
}

// id draws 17 characters of Meteor's alphabet.
func (g *demoData) id() ejson.ID {
	const alphabet = "23456789ABCDEFGHJKLMNPQRSTWXYZabcdefghijkmnopqrstuvwxyz"
	var b [17]byte
	for i := range b {
		b[i] = alphabet[g.rng.IntN(len(alphabet))]
	}
	return ejson.StringID(string(b[:]))
}

// fill inserts n tasks.
func (g *demoData) fill(n int) error {
	for n > 0 {
		batch := min(n, batchLines)
		n -= batch
		_, err := g.store.Update(func(tx *store.Tx) error {
			for range batch {
				if err := tx.Put(demoCollection, g.task()); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// churn makes n changes, one transaction each: three of five modify a task, one
// inserts one, and one removes one.
func (g *demoData) churn(n int) error {
	for i := range n {
		_, err := g.store.Update(func(tx *store.Tx) error { return g.change(tx, i%5) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (g *demoData) change(tx *store.Tx, kind int) error {
	if kind == 3 {
		return tx.Put(demoCollection, g.task())
	}
	at := g.rng.IntN(len(g.ids))
	id := g.ids[at]
	if kind == 4 {
		tx.Delete(demoCollection, id)
		g.ids[at] = g.ids[len(g.ids)-1]
		g.ids = g.ids[:len(g.ids)-1]
		return nil
	}
	d, ok := tx.Get(demoCollection, id)
	if !ok {
		return fmt.Errorf("task %s is gone", id)
	}
	switch kind {
	case 0:
		d = d.With("done", !d.Field("done").Bool())
	case 1:
		d = d.With("priority", g.rng.Float64())
	default:
		d = d.With("note", fmt.Sprintf("seen by %03d", g.rng.IntN(1000)))
	}
	return tx.Put(demoCollection, d)
}

// lift gives a task a priority above all others.
func (g *demoData) lift(to float64) (store.Seq, error) {
	id := g.ids[g.rng.IntN(len(g.ids))]
	return g.store.Update(func(tx *store.Tx) error {
		d, ok := tx.Get(demoCollection, id)
		if !ok {
			return fmt.Errorf("task %s is gone", id)
		}
		return tx.Put(demoCollection, d.With("priority", to))
	})
}
