// Package persist keeps a store on disk, in one bbolt file. It writes commits
// in the order of their Seq, many to a disk sync, and gives back after a crash
// a store that existed: all commits up to some Seq and none beyond.
//
// # What survives
//
//   - What Flush has acknowledged is there after a crash of the process or of
//     the machine, if the disk keeps what it has synced.
//   - Without Flush, a commit is on disk within Options.Delay and the time of
//     one write. A crash loses at most that tail, and never a commit from the
//     midst.
//   - A file whose bytes have changed is recognised: it loads as a state that
//     existed, or not at all and with ErrDamaged. A damaged file is never
//     written to. (If the page that names the last transaction is hit, bbolt
//     goes back to the one before; of what went ahead of the last transaction
//     that counts which comes before the first page that was hit.)
//   - A file is made whole or not at all, where the file system has hard links.
//     If a crash comes while it is made, a hidden file beside it, ".NAME.new-*",
//     may be left, to be deleted.
//
// # Who waits
//
// Append never waits, and does not refuse because of the disk. What waits is
// kept as the latest version of each document, so that it is bounded by what
// the store and the file hold together. Nothing waits for the disk but Flush and
// Close. A disk that fails is told by Flush and Err; the writer tries again, at
// once for a Flush and else after 50ms to 5s, and recovers when it can. After a
// long failure everything that changed meanwhile is one transaction.
//
// A file that was deleted or replaced while it is open can keep nothing: Flush says so.
//
// # The log and the base
//
// What is small, as calls of people are, goes ahead of all else: into an area of 256 KiB
// of the file that is written in place, with one sync, and taken up by a transaction when
// it is full, when something larger comes, or at Close. A Flush of a small commit thus
// writes one page and costs one sync; a transaction has two and writes five pages or more.
//
// A transaction's changes go to a log, as blocks of documents under the Seq of their last
// commit, and are folded in the background into the base, which has documents in
// the order of their slots. New documents that come in numbers go straight to the
// end of the base and need no folding. The log is folded when it exceeds 4 MiB
// and half of the base, in steps of about a megabyte, and at a pace at which it
// stays below the size of the base and 8 MiB.
//
// Measured with documents of 276 bytes, 1,000 a commit, on two cores: inserting
// takes 0.6 µs of one core a document and writes 291 bytes, all pages counted;
// random updates of 100,000 documents write 430 to 700 bytes each, with folding;
// loading takes 0.25 µs of a core a document, and opening 0.1 µs.
package persist
