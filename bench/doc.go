// Package bench measures the replica: the same work, on the same seeded data, at
// several sizes, with allocations and bytes.
//
// The workloads are numbered. Run them with
//
//	go test ./bench -run '^$' -bench .
//
// and with -million for collections of a million documents as well.
//
//	W1   bulk load, with an index on author and one on (room, -ts)
//	W2   FindOne by _id
//	W3   {author: X} by its index, about a thousandth of the documents
//	W4   {"nested.a.b": {$gt: 500}, tags: {$in: [3 of 50]}, flag: true} by a scan
//	W5   {room: X} sort -ts limit 20
//	W6   $inc by _id: (a) nobody watches, (b) 100 observers of a room each,
//	     (c) 1,000 observers of an author each
//	W7   one observer of {room: X} sort -ts limit 50 while documents change
//	     anywhere, and while every change hits the room
//	W8   cold start from the file: until the first FindOne, until all is indexed
//	W9   ingest of added messages: from wire text into the store, and from a
//	     server over a WebSocket on loopback
//	W10  durable writes, one disk sync for a thousand changes
//
// Times differ between machines and from run to run; compare ratios taken in one
// run. Counts do not: allocations, bytes a document, bytes written.
package bench
