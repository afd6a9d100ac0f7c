// Package ejson holds the documents of the replica and their wire form.
//
// A [Doc] never changes once it has been made: [Doc.With], [Doc.Without],
// [Doc.Merge] return a new one. Any number of goroutines may keep it for as long
// as they like, and nobody copies it to be safe. A [Value] is a view of one value
// of a document: it costs nothing to take, and keeps the document's memory alive,
// as do the strings, documents, lists and ids that are taken from it. What is kept
// longer than its document should be cloned ([ID.Clone], strings.Clone).
//
// # Values
//
// A value is null, a boolean, a number, a string, an object, a list, binary data,
// an [ObjectID], a date, a [Regexp], a [Decimal], or one of a custom type. As Go
// values ([Value.Any]) these are nil, bool, float64, string, Doc, [Array], []byte,
// ObjectID, [time.Time] (to the millisecond, UTC), Regexp, Decimal, and a Go type
// that was registered ([Register]) or [Custom].
//
// Every Go number becomes a float64 on its way in, as it would be on the server; an
// integer that a float64 cannot hold exactly is refused. Strings are UTF-8, and
// may hold a lone surrogate of JavaScript as the three bytes that UTF-8 would have
// for it; it is written as an escape.
//
// # Text
//
// [Parse] reads EJSON text in one pass, into one allocation; [Doc.AppendJSON]
// writes it. The objects of Meteor's ejson are understood and written: $date,
// $binary, $InfNaN, $regexp with $flags, $type with $value, $escape. An object is
// one of them only if it has exactly their names. These are the rules where one
// could wish for another, all as JavaScript and Meteor have them:
//
//   - Of equal names the last value counts, at the place of the first.
//   - Numbers out of range become infinite; -0 is written 0.
//   - A $date that is no number, or out of range, is the invalid date. It is
//     written as null, and equals nothing; a document equals another of the same
//     bytes even so. But null is read as 0, as JavaScript's new Date(null) does: on
//     the other side of a wire the invalid date is the first of January 1970. A
//     fraction is cut. Text in the ISO format is read.
//   - $binary may lack padding. $flags but g, i, m, u, y are dropped.
//   - The JSON value of a custom type is kept as it is: what looks like a date in
//     it is an object, for only the type knows its meaning.
//
// And these are our own:
//
//   - Names keep the order of the text. JavaScript moves those that look like
//     integers to the front, and so has any text that it wrote.
//   - __proto__ and callee are names like any other. In JavaScript the first is
//     lost, and Meteor takes an object with the second for a list.
//   - Regular expressions are equal if source and flags are; Meteor holds all of
//     them equal. A pattern is not checked here.
//   - A custom type that nobody registered is kept, and written as it was read.
//     To Meteor it is an error, and to a [Decoder] that is Strict.
//   - Bytes that are not UTF-8 are read and written as U+FFFD.
//
// A text may have [MaxSize] bytes and be nested [MaxDepth] deep; so may a Go
// value. A document that is put together of others may be larger and deeper, up to
// 4 GiB, beyond which the operations panic. Every error of reading is a
// [*DecodeError] with offset and path, every error of converting a
// [*ConvertError] with a path. Nothing that comes from outside makes the package
// panic: the functions that do say so, and take what a program wrote.
//
// # Format
//
// A document is one string of bytes in a private format (see format.go), the same
// in memory and on disk ([Doc.Raw], [FromRaw], [Format]): fields, then a table with
// a four-byte word a field. Two candidates were measured, on 100,000 documents
// of 299 bytes of JSON in arenas of 1 MiB, two cores, Go 1.26, the best of several
// runs; the other is BSON, walked by hand in one pass. Scan is the predicate
// {"nested.a.b": {$gt: 500}, tags: {$in: [3 of 50]}, flag: true}; lookup is the
// last of ten fields, in cache.
//
//	                      flat     BSON
//	bytes a document       288      296
//	scan, ns a document     60      137
//	lookup, ns             7.4       72
//
// A full GC of a million documents, each in an allocation of its own (304 bytes of
// heap), took 19 ms. Of one such document, the least of 300 short runs on one core,
// so that there is hardly any collection of garbage in it:
//
//	Parse                 285 ns, one allocation; with its DDP message 370 ns
//	AppendJSON            275 ns
//	FromRaw               175 ns, no allocation, everything checked; by a RawReader 115 ns
//	WithID, WithValue     95 and 125 ns, one allocation
//	Overwrite             55 ns, three levels deep 90 ns, one allocation
//	Merge of two fields   220 ns, one allocation; of nothing new 70 ns, none
//	Diff of three fields  290 ns; of equal documents 5 ns
//	AppendKey             5 to 7 ns
//	Decode, From          345 and 615 ns, a struct of ten fields
//
// To repeat them:
//
//	go test ./ddp/ejson -run '^$' -bench . -cpu 1 -benchtime 500x -count 300
package ejson
