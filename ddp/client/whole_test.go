package client

import (
	"context"
	"testing"

	"github.com/replicad/replicad/ddp"
)

// TestWhole: the documents of added have their _id, in whatever way they came.
func TestWhole(t *testing.T) {
	added := `{"msg":"added","collection":"c","id":"x","fields":{"a":1}}`
	for _, codec := range []ddp.Codec{ddp.JSON, upper{}} {
		for _, whole := range []bool{false, true} {
			near, far := Pipe(PipeOptions{})
			go func() {
				far.Read()
				far.Write(context.Background(), []byte(`{"msg":"connected","session":"s"}`), false)
				far.Write(context.Background(), []byte(added), false)
				untilEnd(far)
			}()
			c, err := New(t.Context(), near, Options{Codec: codec, Whole: whole})
			if err != nil {
				t.Fatal(err)
			}
			<-c.Ready()
			m, ok := c.Take()[0].(ddp.Added)
			want := map[bool]string{false: `{"a":1}`, true: `{"_id":"x","a":1}`}[whole]
			if !ok || m.Fields.String() != want || m.ID.String() != "x" {
				t.Errorf("%T, whole %v: %v, wants %s", codec, whole, m, want)
			}
			c.Close()
		}
	}
}
