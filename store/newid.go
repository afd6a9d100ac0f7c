package store

import "crypto/rand"

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
