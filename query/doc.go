// Package query compiles selectors, sorts, projections and modifiers, and plans
// how to answer them. It knows documents, and neither collections, locks,
// goroutines nor clocks: everything it returns, but for a [Set], is immutable and
// safe to share. (Paths remember where their names were found last, to be quick in
// documents of one shape; nobody sees that.)
//
// What a selector gives here is what MongoDB would give on the server. A fault
// in what was given is found when it is compiled, and is a [*SyntaxError] that
// says where, what was met and what is wanted. Nothing that comes from outside
// can make this package panic, or take more than polynomial time: selectors,
// paths and patterns have limits, and the patterns that RE2 cannot run have a
// time limit.
//
// # Words
//
//   - A selector is what was given: {"a.b": {$gt: 5}}. A [Matcher] is a selector
//     compiled.
//   - A path is a dotted name. Through lists it can lead to several places, its
//     branches: to the element at a position, if a name is a number, and into
//     each element that is a document.
//   - A condition is met if it holds for one branch; a list at the end of a path
//     is a branch, and so is each of its elements. $ne, $nin, $not and
//     $exists: false are met if no branch meets the condition that they deny.
//   - A [Sorter] is a total order. A [Fields] is a projection. A [Modifier] is an
//     update, of operators or by replacement; an edit is one of its operators at
//     one path.
//   - An [IndexKey] makes the keys of an index. An index is multikey if a document
//     in it can have several, and selective if it has none for some: sparse or
//     partial. A [Bound] is a range of keys, and exact bounds hold the documents
//     that match and no others.
//   - A [Plan] is how a query will be answered: plain data, chosen by [Choose] or
//     [ChooseWith] from what is known of the indexes, and printed by
//     [Plan.String]. Its parts, if it is a union, are plans for the parts of an
//     $or. A hint takes the choice away from the planner.
//   - A [Pin] is a field that a selector ties to a few values, by which a change
//     can be routed to the queries it concerns.
//
// # Plans
//
// Every plan finds all that matches. So a sparse index is used only for a
// selector that asks for what it holds, one of its fields that is there, and a
// partial one only where the selector implies the filter. That is seen where, for
// each condition of the filter, the selector has the same one or a narrower one on
// the same path: an equality, $in, a range or a prefix within it, any of these for
// $exists: true or for the $type that they have; an $or by all of its parts, and
// the $or of a filter by one of its. What cannot be seen is not used, not for a
// sort and not by a hint either. What the filter implies need not be tested again.
//
// The price of a plan is made of the numbers of entries and of different keys
// that the indexes have, also where another way is taken: they say how many
// documents match, the parts of an $or summed, and so how soon a limit is reached.
// Only of paths without an index it is guessed how many documents a condition
// leaves.
//
// # Limits
//
// A selector has 100 levels and 10,000 conditions at most (values of $in are not
// counted), a path 100 names of which 10 are numbers, a pattern 32,764 bytes. A
// modifier makes no document of more than 16 MiB or 200 levels, and puts no more
// than 100,000 nulls before an element beyond the end of a list. A compound index
// has 1,000 keys for a document at most, and one that stands for more. A plan has
// 10,000 ranges at most. The parts of an $or are planned one by one up to 100 of one,
// and 300 of a selector.
//
// # Where minimongo and MongoDB differ
//
// We follow MongoDB's documentation. Besides, by rule:
//
//   - Numbers are float64, so $type knows double and number, and nothing is an
//     int or a long. $bits… masks are whole numbers up to 2^63, as on the server.
//   - Ties of a sort are broken by _id, in the direction of the last key; an
//     unsorted result is in the order of insertion.
//   - Two lists under two keys of a sort (parallel arrays) are no error, for an
//     order cannot fail: each list counts by its own extreme.
//   - The words asc, ascending, desc and descending are directions in any form
//     and case, as drivers take them; what else is neither 1 nor -1 is read as
//     Meteor reads it.
//   - A $near needs no index, and its order is [Matcher.Order]. Distances are on
//     a sphere of MongoDB's radius, and polygons are drawn on the plane.
//   - Regular expressions are JavaScript's, with the options i, m, s, x and u. As
//     on the server a character is a code point, and under m a line ends at \n.
//     A pattern with look-around or back-references that takes too long on a
//     string does not match it, and after five such is given up. Any other does
//     not match a string that it could take 2^27 steps through: so many are the
//     bytes of the string times the instructions of the pattern.
//   - $[] and $[name] with array filters are known, which Meteor's client does
//     not know. $pushAll is known still.
//   - $pop is an error where a scalar is on its way, as on the server; $unset, $pull
//     and $pullAll pass by. To Meteor's client nothing happens in either case.
//   - A projection keeps or drops an _id as a whole, also by a path into it.
//   - An element that is a list has, for the conditions of $elemMatch on documents,
//     positions and nothing that is missing.
//   - A new document takes nothing from an $in, also where it has one value.
//   - Decimals are compared, and not reckoned with: $inc, $mul and $bit refuse
//     them, $mod and $bits… do not match them.
//   - Conflicting paths in a modifier, and unknown clauses of $push, are errors
//     before anything is matched. Names with a dot or a leading $ are not stored.
//   - A hint at an index that lacks documents which may match is an error and not
//     a smaller result. Partial filters may be any selector but a $near.
//   - $where, $text, $expr and $jsonSchema are refused, with a way out.
package query
