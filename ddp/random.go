package ddp

import (
	"crypto/rand"
	"encoding/hex"
	"unicode/utf16"
	"unicode/utf8"
)

// The alphabets of ids and secrets, in the order that the seeded generator counts
// on. Ids leave out what people mistake for one another.
const (
	idAlphabet     = "23456789ABCDEFGHJKLMNPQRSTWXYZabcdefghijkmnopqrstuvwxyz"
	secretAlphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	hexAlphabet    = "0123456789abcdef"
)

const (
	idLength     = 17
	secretLength = 43
	seedLength   = 20
)

// NewID returns a new document, subscription or session id as Meteor makes them:
// 17 characters, about 98 bits, from the system's entropy.
func NewID() string {
	var id [idLength]byte
	var pool [32]byte
	for n := 0; n < idLength; {
		rand.Read(pool[:])
		for _, b := range pool {
			// Six bits a byte, and a draw beyond the alphabet is thrown away: all
			// characters stay equally likely.
			if b &= 63; int(b) < len(idAlphabet) && n < idLength {
				id[n] = idAlphabet[b]
				n++
			}
		}
	}
	return string(id[:])
}

// NewSeed returns a new randomSeed for a method: 20 hex digits from the system's
// entropy.
func NewSeed() string {
	var b [seedLength / 2]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// Random is a seeded generator (Alea) that gives the same values as Meteor's with
// the same seeds. It is predictable: never use it for secrets that matter. A
// Random must not be used by two goroutines at once.
type Random struct {
	s0, s1, s2, c float64
}

// NewRandom returns the generator of these seeds. Meteor also takes numbers: give
// them as JavaScript prints them.
func NewRandom(seeds ...string) *Random {
	m := mash(0xefc8249d)
	r := &Random{c: 1}
	r.s0, r.s1, r.s2 = m.mix(" "), m.mix(" "), m.mix(" ")
	for _, seed := range seeds {
		for _, s := range []*float64{&r.s0, &r.s1, &r.s2} {
			if *s -= m.mix(seed); *s < 0 {
				*s++
			}
		}
	}
	return r
}

// Fraction returns the next number, at least 0 and less than 1.
func (r *Random) Fraction() float64 {
	// The conversions keep compilers from fusing multiplication and addition,
	// which would round once less than JavaScript does.
	t := float64(2091639*r.s0) + float64(r.c*0x1p-32)
	r.c = float64(int32(t))
	r.s0, r.s1, r.s2 = r.s1, r.s2, t-r.c
	return r.s2
}

// ID returns the next n characters of the alphabet of ids; 17 are usual.
func (r *Random) ID(n int) string { return r.text(idAlphabet, n) }

// Hex returns the next n hex digits.
func (r *Random) Hex(n int) string { return r.text(hexAlphabet, n) }

// Secret returns the next n characters of the URL-safe base64 alphabet; 43 are
// usual.
func (r *Random) Secret(n int) string { return r.text(secretAlphabet, n) }

// Choice returns a number from 0 to n-1, and 0 if n < 1.
func (r *Random) Choice(n int) int {
	return max(0, int(r.Fraction()*float64(n)))
}

func (r *Random) text(alphabet string, n int) string {
	b := make([]byte, max(n, 0))
	for i := range b {
		b[i] = alphabet[r.Choice(len(alphabet))]
	}
	return string(b)
}

// mash is the hash that spreads the seeds of a Random; its value is the state.
type mash float64

func (m *mash) mix(s string) float64 {
	for _, r := range s {
		if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
			m.unit(high)
			r = low
		}
		m.unit(r)
	}
	return float64(uint32(uint64(*m))) * 0x1p-32
}

// unit mixes in one unit of UTF-16.
func (m *mash) unit(u rune) {
	n := float64(*m) + float64(u)
	h := float64(0.02519603282416938 * n)
	n = float64(uint32(uint64(h)))
	h -= n
	h = float64(h * n)
	n = float64(uint32(uint64(h)))
	h -= n
	*m = mash(n + float64(h*0x1p32))
}

// Streams are the named generators that a client and a server both derive from
// the randomSeed of one method call. They must not be used by two goroutines at
// once.
type Streams struct {
	seed   string
	byName map[string]*Random
}

// NewStreams returns the streams of a randomSeed.
func NewStreams(seed string) *Streams {
	return &Streams{seed: seed, byName: make(map[string]*Random)}
}

// Stream returns the generator of that name, "" meaning "default". Asked twice it
// gives the same generator, which goes on where it was.
func (s *Streams) Stream(name string) *Random {
	if name == "" {
		name = "default"
	}
	r := s.byName[name]
	if r == nil {
		r = NewRandom(s.seed, name)
		s.byName[name] = r
	}
	return r
}

// DocumentID returns the next id of a new document in the collection.
func (s *Streams) DocumentID(collection string) string {
	return s.Stream("/collection/" + collection).ID(idLength)
}

// CallSeed returns the randomSeed for a method that is called from within the
// method of these streams.
func (s *Streams) CallSeed(method string) string {
	return s.Stream("/rpc/" + method).Hex(seedLength)
}
