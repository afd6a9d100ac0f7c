package peer

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"github.com/replicad/replicad/bench"
	"github.com/replicad/replicad/ddp/ejson"
)

// Doc is a document of the data set as a Go program without replicad would have it.
type Doc struct {
	ID     string   `json:"_id"`
	Author string   `json:"author"`
	Room   string   `json:"room"`
	Text   string   `json:"text"`
	TS     Date     `json:"ts"`
	Score  float64  `json:"score"`
	Tags   []string `json:"tags"`
	N      int      `json:"n"`
	Nested Nested   `json:"nested"`
	Flag   bool     `json:"flag"`
}

// Date is a date as it stands in EJSON.
type Date struct {
	Millis int64 `json:"$date"`
}

// Nested is the document within.
type Nested struct {
	A struct {
		B int `json:"b"`
	} `json:"a"`
	Likes int `json:"likes"`
}

// Selected is the predicate of W4, written by hand.
func (d *Doc) Selected() bool {
	if !d.Flag || d.Nested.A.B <= 500 {
		return false
	}
	for _, t := range d.Tags {
		if t == "tag3" || t == "tag17" || t == "tag40" {
			return true
		}
	}
	return false
}

// JSON returns the document as JSON text.
func (d *Doc) JSON() []byte {
	text, err := json.Marshal(d)
	if err != nil {
		panic(err)
	}
	return text
}

// Plain turns a document of the data set into a Doc.
func Plain(d ejson.Doc) *Doc {
	p := new(Doc)
	if err := json.Unmarshal(d.AppendJSON(nil), p); err != nil {
		panic(err)
	}
	return p
}

// Plains is Plain of each.
func Plains(list []ejson.Doc) []*Doc {
	out := make([]*Doc, len(list))
	for i, d := range list {
		out[i] = Plain(d)
	}
	return out
}

// digest is of the whole data set, as EJSON text, a line a document.
func digest(list []ejson.Doc) string {
	sum := sha256.New()
	var line []byte
	for _, d := range list {
		line = append(d.AppendJSON(line[:0]), '\n')
		sum.Write(line)
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:8])
}

// Added is such a message as encoding/json reads it: the document less its _id.
type Added struct {
	ID     string `json:"id"`
	Fields Doc    `json:"fields"`
}

// Ingest reads messages and inserts what they hold, a thousand at once.
func Ingest[T any](frames [][]byte, read func(frame []byte) (T, error), insert func([]T) error) error {
	batch := make([]T, 0, 1000)
	for part := range slices.Chunk(frames, cap(batch)) {
		batch = batch[:0]
		for _, f := range part {
			t, err := read(f)
			if err != nil {
				return err
			}
			batch = append(batch, t)
		}
		if err := insert(batch); err != nil {
			return err
		}
	}
	return nil
}

// ReadAdded reads an added message as a Go program does that knows no better.
func ReadAdded(frame []byte) (*Doc, error) {
	var a Added
	err := json.Unmarshal(frame, &a)
	a.Fields.ID = a.ID
	return &a.Fields, err
}

// What is asked for, in turn: the same in every language.
type params struct {
	ids     []string // W2, W6: 4,096 drawn from all
	incs    []string
	authors []string // W3: 64
	rooms   []string // W5: 64
}

func drawParams(list []ejson.Doc) params {
	ids := func(seed uint32) []string {
		r, out := bench.NewRand(seed), make([]string, 4096)
		for i := range out {
			// Memory of its own, as a caller has it: not the document's.
			out[i] = string([]byte(list[r.Intn(len(list))].Field("_id").Str()))
		}
		return out
	}
	p := params{ids: ids(2), incs: ids(6)}
	ra, rr := bench.NewRand(3), bench.NewRand(5)
	for range 64 {
		p.authors = append(p.authors, bench.Author(ra.Intn(bench.Authors)))
		p.rooms = append(p.rooms, bench.Room(rr.Intn(bench.Rooms)))
	}
	return p
}

// An answer gathers what queries returned. A set counts the documents and adds up
// their n and likes; a list folds the ts in order, so that documents of one ts may come
// in any.
type answer struct{ count, sum, likes, order uint32 }

func (a *answer) add(n int, ts int64, likes int) {
	a.count++
	a.sum += uint32(n)
	a.likes += uint32(likes)
	a.order = a.order*31 + uint32(ts)
}

func (a *answer) set() string  { return fmt.Sprintf("%d:%d", a.count, a.sum) }
func (a *answer) list() string { return fmt.Sprintf("%d:%d", a.count, a.order) }

// since tells how the likes have risen, whatever came before.
func (a *answer) since(b answer) string { return fmt.Sprintf("%s+%d", a.set(), a.likes-b.likes) }

// Size returns the bytes of a file, or of all files in a folder.
func Size(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	if !info.IsDir() {
		return info.Size(), nil
	}
	entries, err := os.ReadDir(path)
	total := int64(0)
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			total += info.Size()
		}
	}
	return total, err
}
