package ejson

import "time"

// row is a document of the data set as a Go program would have it.
type row struct {
	ID     string `bson:"_id"`
	Author string
	Room   string
	Text   string
	TS     time.Time
	Score  float64
	Tags   []string
	N      int
	Nested struct {
		A     struct{ B int }
		Likes int
	}
	Flag bool
}
