// Package observe keeps query results alive: it turns commits of a store into
// the smallest change of each observed result.
//
// # Order
//
// The batches of one observation come one at a time and in the order of Seq; each
// leads from the result that the last one led to, to one that the store had.
// Applied in order, events give that result exactly: the same documents, and in a
// result with an order the same sequence, at every step with the places that the
// events name. Two observations do not wait for each other: one may be at commit
// 9 while the other is still at 4.
//
// The initial result comes first and holds every commit whose Update has
// returned. On request ([Options]) it comes in chunks, so that a large one need not
// become events all at once; the chunks show one moment, and what is committed
// while they are told follows them. Two documents that differ only in the order of
// their fields count as equal: going from one to the other is no event.
//
// # Slowness
//
// A slow callback delays nobody, neither the writer nor another observation. A
// handle that lags is given its batches one by one up to a limit (64 batches or
// 1,024 changes); beyond, what waits is merged into the least difference between
// what it last saw and now, which cannot outgrow the two results. The same holds
// for the commits that wait to be worked in: they are merged when they become
// many. Nothing here grows with time.
//
// # Callbacks
//
// Callbacks run on goroutines of this package (the first one on the caller's of
// Start) with no lock held. They may write to the store, start and stop
// observations, this one included, and take as long as they like. A callback that
// panics ends its own observation: see [Handle.Err]. The iterators [Batches] and
// [Results] run in the caller's goroutine.
//
// There are as many goroutines as callbacks that run at a time, and a few more: an
// idle observation has none, and takes less than 1 KiB beside its query. Before a
// callback runs, another goroutine is called for what else waits, so that it may
// block; callbacks that are short share one, one after the other.
//
// Starting an observation, and [Handle.Wait], need the writer's lock for a
// moment, so neither may be called inside store.Update. Stopping does not.
//
// # Cost
//
// There is a hub for each observed collection, fed by [store.Store.Tail]. It finds
// the results that a change concerns by the values that the document had and has:
// one whose selector pins a field (by equality, $in, or _id, also inside $and) by
// hash, one that confines a field to ranges in a tree of intervals, one with $or by
// what finds its branches, so that their number hardly matters; the others are
// asked one by one. Equal queries share one result. [Handle.Explain] tells which
// way was found and what it costs.
//
// A result without an order keeps nothing: Before and After of a change decide.
// One with a sort, a skip or a limit keeps the documents that match in an
// order-statistics tree of (sort key, _id), or of insertion where there is no sort;
// a change costs O(log n) wherever it falls, and no query.
//
// Where there is a limit and an index gives the order (as Explain of the query
// says: "in order"), the tree holds only the window and a margin as large. Such a
// window starts without meeting the documents outside; a change behind the last
// row that it keeps costs one comparison of keys. Removals that use the margin up
// have the rows read from the index again, about two rows for each removal. Where
// the index only helps, so that documents are met in order and then filtered, the
// margin doubles with each reading: there are as many as it can double, and the
// state grows, at most to all that match. A window may begin with all that match,
// in an empty collection or without an index, and comes to keep less when it can;
// one whose index is dropped reads all that match, once, when it must read again.
//
// To read again, a window looks at the store as it is then. If the hub was behind,
// what it has still to work in up to there becomes one batch with the difference.
// More rows than a thousand, or such as have to be looked for, are read beside the
// hub, which does not wait for them.
//
// A change takes no memory where it concerns no result, or falls outside a window;
// two pieces where it changes a document in a result, however many observe that;
// four where it moves one in a window. A projection takes its own, for the document
// as it was and as it is.
//
// # Meteor
//
// [Docs] is Meteor's observe, [Changes] its observeChanges, [Pause] its
// pauseObservers. The answers are those of minimongo (testdata/observe.jsonl),
// with these differences, each for a reason:
//   - a multi-update is one commit and so one batch with the least difference,
//     where minimongo may tell intermediate states;
//   - a sort's ties are broken by _id, in the direction of its last key, where
//     minimongo goes by habit;
//   - a multi-update that fails midway leaves nothing behind, here;
//   - after a step that a multi-update or a window confuses it in (stale in the
//     vectors), minimongo's observer differs from its query, and ours does not;
//   - a nil selector selects everything, as in the rest of this module, and an
//     empty string is no _id.
package observe
