// Package bench measures the replica: the same work, on the same seeded data, at
// several sizes, with allocations and bytes.
//
// The workloads are numbered. Run them with
//
//	go test ./bench -run '^$' -bench .
//
// and with -million for collections of a million documents as well.
//
//	W1   bulk load of documents in memory, with an index on author and one on
//	     (room, -ts); bytes of heap a document; a full collection of garbage
//	W2   FindOne by _id, by ids drawn from all documents
//	W3   {author: X} by its index, about a thousandth of the documents
//	W4   {"nested.a.b": {$gt: 500}, tags: {$in: [3 of 50]}, flag: true} by a scan
//	W5   {room: X} sort -ts limit 20
//	W6   $inc by _id, a commit each and a thousand a commit: (a) nobody watches,
//	     (b) 100 observers of a room each, (c) 1,000 observers of an author each;
//	     and beside 10 to 10,000 observers, one of whom each change concerns
//	W7   one observer of {room: X} sort -ts limit 50 while documents are inserted,
//	     updated and removed: anywhere, all in the room, all in the window
//	W8   cold start from the file: until the first FindOne, until all is indexed
//	W9   ingest of added messages: from wire text into the store, and over a
//	     WebSocket on loopback from a sender that costs nothing
//	W10  durable writes, one disk sync for a thousand changes
//	W11  reads by 8 goroutines beside a writer at full speed
//	W12  first sync from our own server over a WebSocket on loopback
//	W13  re-sync after 1 % of the documents changed while the replica was away, to
//	     a server that kept the session and to one that did not
//	W14  1,000 downstream clients of one server
//	W15  a day of mixed use, compressed: memory and file from hour to hour
//
// What is timed is the workload and nothing else: documents, ids and streams of
// changes are made before the clock starts, selectors and modifiers are compiled
// once where a program would do so. Events are delivered before the clock stops.
//
// Times differ between machines and from run to run; compare ratios taken in one
// run. Counts do not: allocations, bytes a document, bytes written, documents
// examined. Those are held by ordinary tests (TestGuard…), times never are.
//
// The folder peers is a module of its own that runs these workloads beside those of
// other databases and writes RESULTS.md.
package bench
