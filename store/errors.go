package store

import (
	"errors"
	"fmt"

	"github.com/replicad/replicad/ddp/ejson"
)

var (
	// ErrNotFound is returned when no document matches.
	ErrNotFound = errors.New("store: no such document")
	// ErrDuplicateID is returned when a document with that _id exists. The text of
	// the error that wraps it names the collection and the _id.
	ErrDuplicateID = errors.New("store: duplicate _id")
	// ErrNoID is returned for a document that has no _id, or one that no id can be:
	// null, a list, a document.
	ErrNoID = errors.New("store: document has no usable _id")
	// ErrImmutableID is returned for an update that would change an _id.
	ErrImmutableID = errors.New("store: _id cannot change")
	// ErrReplicated is returned for a direct write to a collection that a server
	// owns; see [Store.Claim].
	ErrReplicated = errors.New("store: collection is replicated from a server: " +
		"write to it in a method stub, or through the replica's Insert, Update and Remove")
	// ErrDuplicateKey is what a DuplicateKeyError is.
	ErrDuplicateKey = errors.New("store: duplicate key")
	// ErrReserved is returned for a write to a collection that is the store's own.
	ErrReserved = errors.New("store: " + indexCollection + " is the store's own: use EnsureIndex and DropIndex")
	// ErrIndexConflict is returned for an index that is there under another name, or
	// whose name is that of another index.
	ErrIndexConflict = errors.New("store: there is another index of that name, or the same of another name")
	// ErrNoIndex is returned by DropIndex for an index that is not there.
	ErrNoIndex = errors.New("store: no such index")
	// ErrLoaded is returned by Load for a store that has been written to.
	ErrLoaded = errors.New("store: loading needs an empty store")
	// ErrClosed is returned by every write after Close.
	ErrClosed = errors.New("store: closed")
)

// errNoQuery is returned for a Query that was not made by Find.
var errNoQuery = errors.New("store: an empty Query: start with Collection.Find")

// errNested is what a write inside a write panics with. It would otherwise wait
// for itself.
const errNested = "store: Update, Tail, Index or another write was called inside Update, or inside " +
	"a Tail function, of the same store: use the *Tx that the function was given"

// errVoid is what a transaction that is over panics with.
const errVoid = "store: a Tx was used after the function that it was given to returned"

func duplicateID(collection string, id ejson.ID) error {
	return fmt.Errorf("%w %v in %q", ErrDuplicateID, id, collection)
}

func noID(collection string) error {
	return fmt.Errorf("%w (collection %q)", ErrNoID, collection)
}

func immutableID(collection string, id ejson.ID) error {
	return fmt.Errorf("%w (document %v in %q)", ErrImmutableID, id, collection)
}

func replicated(collection string) error {
	return fmt.Errorf("%w (collection %q)", ErrReplicated, collection)
}
