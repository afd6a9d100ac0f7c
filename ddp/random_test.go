package ddp

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// readJSON decodes a file of testdata.
func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", path))
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// seedText gives a seed as JavaScript prints it.
func seedText(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return string(raw)
	}
	return s
}

func TestRandomVectors(t *testing.T) {
	var vectors struct {
		Alea []struct {
			Seeds       []json.RawMessage
			Fraction3   []float64
			ID          []string
			HexString24 string
			Secret      string
			Choice      []any
		}
		RandomStream []struct {
			RandomSeed string
			Calls      [][3]string
		}
	}
	readJSON(t, "vectors.json", &vectors)
	if len(vectors.Alea) == 0 || len(vectors.RandomStream) == 0 {
		t.Fatal("no vectors")
	}
	for _, v := range vectors.Alea {
		var seeds []string
		for _, s := range v.Seeds {
			seeds = append(seeds, seedText(s))
		}
		r := func() *Random { return NewRandom(seeds...) }
		got := r()
		for i, want := range v.Fraction3 {
			if f := got.Fraction(); f != want {
				t.Errorf("%q: fraction %d: %v, want %v", seeds, i, f, want)
			}
		}
		ids := r()
		if a, b := ids.ID(17), ids.ID(8); a != v.ID[0] || b != v.ID[1] {
			t.Errorf("%q: ids %s %s, want %s", seeds, a, b, v.ID)
		}
		if s := r().Hex(24); s != v.HexString24 {
			t.Errorf("%q: hex %s, want %s", seeds, s, v.HexString24)
		}
		if s := r().Secret(43); s != v.Secret {
			t.Errorf("%q: secret %s, want %s", seeds, s, v.Secret)
		}
		// The first was drawn from [10 20 30 40 50], the second from "abcdef".
		c := r()
		one, two := 10*(1+c.Choice(5)), "abcdef"[c.Choice(6)]
		if fmt.Sprint(one) != fmt.Sprint(v.Choice[0]) || string(two) != v.Choice[1] {
			t.Errorf("%q: choice %d %c, want %v", seeds, one, two, v.Choice)
		}
	}
	for _, v := range vectors.RandomStream {
		streams := NewStreams(v.RandomSeed)
		for _, call := range v.Calls {
			var got string
			switch call[1] {
			case "id":
				got = streams.Stream(call[0]).ID(17)
			case "hexString24":
				got = streams.Stream(call[0]).Hex(24)
			case "hexString20":
				got = streams.CallSeed(strings.TrimPrefix(call[0], "/rpc/"))
			}
			if got != call[2] {
				t.Errorf("seed %s: %v gave %s", v.RandomSeed, call, got)
			}
		}
	}
}

// TestConformanceRandom runs random.jsonl of testdata, and the one in the folder
// that REPLICAD_VECTORS names.
func TestConformanceRandom(t *testing.T) {
	files := []string{filepath.Join("testdata", "random.jsonl")}
	if dir := os.Getenv("REPLICAD_VECTORS"); dir != "" {
		other := filepath.Join(dir, "random.jsonl")
		if _, err := os.Stat(other); err == nil {
			files = append(files, other)
		}
	}
	for _, file := range files {
		passed, failed := runRandom(t, file)
		summary := fmt.Sprintf("%s: %d passed, %d failed, 0 quirks", file, passed, failed)
		fmt.Println(summary)
		t.Log(summary)
		if passed == 0 {
			t.Errorf("%s has no cases", file)
		}
	}
}

func runRandom(t *testing.T, file string) (passed, failed int) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		var c struct {
			Seed, Stream string
			IDs          []string
			Hex20        string
			Secret       string
			Fractions    []float64
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatalf("%s:%d: %v", file, n, err)
		}
		ids := NewStreams(c.Seed).Stream(c.Stream)
		var got []string
		for _, id := range c.IDs {
			got = append(got, ids.ID(len(id)))
		}
		r := NewRandom(c.Seed, c.Stream)
		hex, secret := r.Hex(len(c.Hex20)), r.Secret(len(c.Secret))
		var fractions []float64
		for range c.Fractions {
			fractions = append(fractions, r.Fraction())
		}
		if fmt.Sprint(got, hex, secret, fractions) != fmt.Sprint(c.IDs, c.Hex20, c.Secret, c.Fractions) {
			failed++
			t.Errorf("%s:%d: got %v %s %s %v, want %v %s %s %v", file, n,
				got, hex, secret, fractions, c.IDs, c.Hex20, c.Secret, c.Fractions)
			continue
		}
		passed++
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return passed, failed
}

func TestNewIDs(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id, seed := NewID(), NewSeed()
		if len(id) != 17 || strings.Trim(id, idAlphabet) != "" {
			t.Fatalf("id %q", id)
		}
		if len(seed) != 20 || strings.Trim(seed, hexAlphabet) != "" {
			t.Fatalf("seed %q", seed)
		}
		if seen[id] || seen[seed] {
			t.Fatal("came twice")
		}
		seen[id], seen[seed] = true, true
	}
}

func TestNegotiateVectors(t *testing.T) {
	var vectors struct {
		VersionNegotiation []struct {
			Support []string
			Picks   string `json:"server_picks"`
		}
	}
	readJSON(t, "vectors.json", &vectors)
	for _, v := range vectors.VersionNegotiation {
		for _, version := range append(v.Support, "", "1", "99") {
			pick, agreed := Negotiate(v.Support, version)
			in := slices.Contains(v.Support, version)
			if in && pick != v.Picks || !in && pick != "1" || agreed != (in && version == v.Picks) {
				t.Errorf("support %q, version %q: %q %t, want %q", v.Support, version, pick, agreed, v.Picks)
			}
		}
	}
}

// TestRandomAllocations: each call that is made optimistically seeds some generators.
func TestRandomAllocations(t *testing.T) {
	seeds := []string{"a3f09b1c2d4e5f607182", "/collection/naïve 😀"}
	var r *Random
	if n := testing.AllocsPerRun(100, func() { r = NewRandom(seeds...) }); n > 1 {
		t.Errorf("%v allocations for %v, want 1", n, r)
	}
}
