package ejson

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"sync"
	"sync/atomic"
	"time"
)

// ObjectID is a MongoDB object id.
type ObjectID [12]byte

// NewObjectID returns an id that nothing has yet, made as the drivers of MongoDB make
// theirs: of the time in seconds, five random bytes of this process and a counter that
// begins anywhere. Those that one process makes within a second are in order, until the
// counter begins anew. It is safe for use by several goroutines.
func NewObjectID() (o ObjectID) {
	p := thisProcess()
	binary.BigEndian.PutUint32(o[:], uint32(time.Now().Unix()))
	copy(o[4:9], p.random[:])
	var n [4]byte
	binary.BigEndian.PutUint32(n[:], p.count.Add(1))
	copy(o[9:], n[1:])
	return o
}

// maker is what the ids of a process have in common.
type maker struct {
	random [5]byte
	count  atomic.Uint32
}

var thisProcess = sync.OnceValue(func() *maker {
	m := new(maker)
	var first [4]byte
	rand.Read(m.random[:]) // it never fails
	rand.Read(first[:])
	m.count.Store(binary.BigEndian.Uint32(first[:]))
	return m
})

// ParseObjectID reads 24 hex digits.
func ParseObjectID(hex string) (ObjectID, error) { return hexID(StringValue(hex)) }

// ID returns o as the id of a document.
func (o ObjectID) ID() ID { return ID{OIDValue(o).s} }

// IsZero reports whether o is the zero ObjectID, which stands for none.
func (o ObjectID) IsZero() bool { return o == ObjectID{} }

// String returns the id as 24 lower-case hex digits.
func (o ObjectID) String() string { return hex.EncodeToString(o[:]) }

// Time returns when the id was made, to the second, UTC.
func (o ObjectID) Time() time.Time {
	return time.Unix(int64(binary.BigEndian.Uint32(o[:])), 0).UTC()
}
