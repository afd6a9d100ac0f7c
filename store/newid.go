package store

import (
	"crypto/rand"
	"reflect"
	"sync"

	"github.com/replicad/replicad/ddp/ejson"
)

// The letters of Meteor's ids: those that people do not take for one another.
const (
	idLetters = "23456789ABCDEFGHJKLMNPQRSTWXYZabcdefghijkmnopqrstuvwxyz"
	idLength  = 17
)

// idSource makes ids of random letters. It is used with the writer's lock held.
type idSource struct {
	buf  [1024]byte // random bytes; one system call makes sixty ids
	left int        // those at the end of buf that are not used
}

func (r *idSource) next() string {
	var id [idLength]byte
	for i := 0; i < idLength; {
		if r.left == 0 {
			rand.Read(r.buf[:]) // never fails
			r.left = len(r.buf)
		}
		b := int(r.buf[len(r.buf)-r.left])
		r.left--
		// Bytes above the last multiple would make the first letters likelier.
		if b < 256/len(idLetters)*len(idLetters) {
			id[i] = idLetters[b%len(idLetters)]
			i++
		}
	}
	return string(id[:])
}

// stringID makes an id as the options say.
func (s *Store) stringID() ejson.ID { return ejson.StringID(s.newID()) }

// newID makes an id for a document that has none, such that T can hold it.
func (c Collection[T]) newID() ejson.ID {
	if takesObjectID[T]() {
		return ejson.NewObjectID().ID()
	}
	return c.s.stringID()
}

// objectIDTypes remembers takesObjectID by reflect.Type.
var objectIDTypes sync.Map

// takesObjectID reports whether the _id of a T is an ObjectID, as is usual where
// MongoDB's driver made the documents, and cannot be a string.
func takesObjectID[T any]() bool {
	t := reflect.TypeFor[T]()
	if takes, ok := objectIDTypes.Load(t); ok {
		return takes.(bool)
	}
	_, noString := ejson.Decode[T](ejson.Make(ejson.Field{Name: "_id", Value: "x"}))
	_, noObjectID := ejson.Decode[T](ejson.Make(ejson.Field{Name: "_id", Value: ejson.ObjectID{}}))
	takes := noString != nil && noObjectID == nil
	objectIDTypes.Store(t, takes)
	return takes
}
