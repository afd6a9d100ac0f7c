// Package store holds collections of documents in memory. One writer at a time
// changes them inside a transaction; readers never wait for it, and each sees one
// moment of the whole store.
//
// # What is promised
//
// A transaction ([Store.Update]) happens whole or not at all, and in one order
// with all others, which [Seq] numbers. It reads its own writes; nobody else reads
// them before it is committed. What Update has returned is in every [Snapshot]
// taken afterwards. A snapshot never changes and never expires.
//
// Of a commit the [Journal] hears first, and may refuse it; then readers see it;
// then the functions given to [Store.Tail] are told, in the order of Seq and
// without gaps. What several writes of a transaction did to one document is one
// [Change], and none if it is as it was.
//
// Documents have a place in the order of insertion, their slot. Results that are
// not sorted come in that order, whether by scan or by index, and also after
// [Store.Load]; an update keeps the place, and so does a document that is removed
// and put back in one transaction. Sorted results break ties by _id.
//
// # Who waits for what
//
// A write waits for the writes before it: for their functions, and for the
// functions of Tail. Adding an index waits likewise and makes later writes wait.
//
// A read waits for no function of a user, no disk and no network. It takes no lock
// where the last snapshot is still good, and a commit sees to that if the snapshot
// before it was read: so readers who read all the time, and the writers beside them,
// do not wait for each other. The first read after commits that nobody read between
// makes a snapshot, behind a mutex that is held by others for at most: making a
// snapshot (which copies a pointer for each collection and a few words for each that
// changed, and for each of its indexes), adding a collection or putting an index in
// place (likewise), or applying a commit of fewer than 1,024 changes, about a
// microsecond each. Larger commits publish the moment before them first, so that reads
// go on with that one, lock-free, for as long as it takes.
//
// Update, Tail, Claim, EnsureIndex and Close, and what is built on them, must not be
// called from a function that Update or Tail runs on the same store; where that
// would deadlock, it panics and says so.
//
// # Indexes
//
// An index is found by the planner, and changes no result: only what it costs. One
// is whole from the moment at which a snapshot has it.
//
// A unique index is asked after a transaction's function has returned, of what the
// transaction as a whole has done, so that two documents may change keys: either no
// two documents have one key afterwards, or the commit is refused. In a collection
// that is replicated ([Store.Claim]) the server's word counts: nothing is refused
// there, and no document expires.
//
// To move a document to another key costs, in an index of 100,000 entries, half a
// microsecond to one in a commit of a thousand changes, and one to two in one of its
// own, by the fields of the key and how far away memory is: an entry is taken out of a
// leaf and one put into another, and both leaves have to come from there. Large commits
// sort what they do to an index first, so that leaves are met in order, read documents
// and leaves many at a time, and change the indexes of a collection side by side. An
// index is a [github.com/tidwall/btree] of leaves of 64 entries; in such a commit four
// tenths of the time go into the leaves, as much into reading keys from the documents,
// and a fifth into sorting them and finding their leaves.
//
// Documents expire in a goroutine that is there while an index wants it
// ([IndexOptions].Expire), until Close. It looks once a second at most, and removes
// a thousand in a commit like any other.
//
// Where there is a Journal, the definitions are documents of the collection
// "system.indexes" ([Reserved]), from which Load makes the indexes again.
//
// # Memory
//
// A document costs its own bytes, about 32 for its place and id and, for each
// index, 20 to 30 (two numbers, in blocks that are full to two thirds and more) and
// what its key has beyond its head, which most have not. Snapshots share all that
// they have in common; a snapshot that is kept keeps alive what was replaced since.
// Nothing grows with the number of commits, nor with that of documents that came
// and went.
//
// A scan has the memory of a page of documents come at once, so that it matters little
// where they lie: when each of 100,000 has been updated five times in random order, it
// takes as long as before. [Tx.Prefetch] does the same for documents that a transaction
// names by their ids: a thousand, updated in random order, take a third less.
//
// A document's bytes, and an id taken from it, are shared by everybody and
// immutable. Names of collections that begin with "sync." are reserved for package
// sync; the store treats them as all others.
package store
