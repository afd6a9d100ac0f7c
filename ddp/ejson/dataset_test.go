package ejson

import (
	"fmt"
	"math/rand/v2"
)

// dataset returns n documents like those of the workloads, as EJSON text of
// about 292 bytes each.
func dataset(n int) [][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	const letters = "23456789ABCDEFGHJKLMNPQRSTWXYZabcdefghijkmnopqrstuvwxyz"
	word := func(n int, from string) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = from[rng.IntN(len(from))]
		}
		return string(b)
	}
	texts := make([][]byte, n)
	for i := range texts {
		tags := ""
		for k := range 1 + rng.IntN(4) {
			if k > 0 {
				tags += ","
			}
			tags += fmt.Sprintf(`"tag%02d"`, rng.IntN(50))
		}
		texts[i] = fmt.Appendf(nil, `{"_id":"%s","author":"author%04d","room":"room%02d","text":"%s","ts":{"$date":%d},`+
			`"score":%.6f,"tags":[%s],"n":%d,"nested":{"a":{"b":%d},"likes":%d},"flag":%v}`,
			word(17, letters), rng.IntN(1000), rng.IntN(100), word(60+rng.IntN(61), "abcdefghij klmno pqrst uvwxyz "),
			1_700_000_000_000+rng.Int64N(30_000_000_000), 100*rng.Float64(), tags, i,
			rng.IntN(1000), rng.IntN(100), rng.IntN(2) == 0)
	}
	return texts
}

// message is a DDP message of 340 bytes.
func message() []byte {
	text := dataset(1)[0]
	id := text[8:25]
	return fmt.Appendf(nil, `{"msg":"added","collection":"messages","id":"%s","fields":{%s}`, id, text[27:])
}
