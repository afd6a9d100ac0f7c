package ejson

import "strings"

// arenaBlock is large beside a document, so that little is left over at its end,
// and small beside a collection, so that little is kept alive by a few documents.
const arenaBlock = 1 << 20

// Arena keeps documents one behind the other in large blocks of memory. A scan
// that goes in the order in which they were kept is several times as fast as one
// over documents that lie scattered, and the garbage collector sees one object a
// block. A block lives as long as any document in it. The zero Arena is ready for
// use; it is not for several goroutines at once.
type Arena struct{ block []byte }

// Keep returns a document equal to d whose bytes lie in the arena, behind those
// of the last. A document of more than a sixteenth of a block gets memory of its
// own.
func (a *Arena) Keep(d Doc) Doc { return Doc{a.keep(d.s)} }

func (a *Arena) keep(s string) string {
	n := len(s)
	if n == 0 {
		return s
	}
	if n > arenaBlock/16 {
		return strings.Clone(s)
	}
	at := len(a.block)
	if cap(a.block)-at < n {
		a.block, at = make([]byte, 0, arenaBlock), 0
	}
	// What has been handed out is never written again: the block only grows.
	a.block = append(a.block, s...)
	return freeze(a.block[at:])
}
