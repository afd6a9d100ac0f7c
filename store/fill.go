package store

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"
	"sync"

	"github.com/replicad/replicad/ddp/ejson"
)

// filler gathers all entries of an index that is made whole: documents are added in
// the order of slots, then fill sorts the entries and lays them into leaves.
//
// Keys lie one after another in memory that is written once and read once, in order.
// What is sorted has the part of a key that tells it from others, and few are longer:
// sorting, and making leaves, does not come back to the keys. They lie where the
// processor would wait for each; it did for half of the time that loading took.
type filler struct {
	x     *index
	data  []byte   // keys
	ends  []int    // of each in data
	slots []uint64 // of each
	alike int      // bytes that all begin with alike; of no meaning while there are none
	many  [][]byte
	late  *pages // whose documents are still to be added; nil: none
}

func newFiller(d *definition) *filler { return &filler{x: newIndex(d)} }

// buildIndexes makes indexes of all documents. The entries of each are gathered,
// sorted and laid into blocks by themselves, on as many processors as there are.
func buildIndexes(defs []*definition, p *pages) []*index {
	indexes := make([]*index, len(defs))
	var wg sync.WaitGroup
	for i, d := range defs {
		b := newFiller(d)
		b.late = p
		indexes[i] = b.x
		if i == len(defs)-1 || p.n < bulk {
			b.fill()
		} else {
			wg.Go(b.fill)
		}
	}
	wg.Wait()
	return indexes
}

// addLate gathers the entries of all documents that were there before.
func (b *filler) addLate() {
	if b.late == nil {
		return
	}
	b.slots, b.ends = make([]uint64, 0, b.late.n), make([]int, 0, b.late.n)
	b.late.eachPage(func(first uint64, page []ejson.Doc) bool {
		fetch(page)
		for k := range page {
			if d := page[k]; !d.IsZero() {
				b.add(first+uint64(k), d)
			}
		}
		return true
	})
}

// add gathers the entries of a document.
func (b *filler) add(slot uint64, d ejson.Doc) {
	if cap(b.data)-len(b.data) < 256 {
		b.data = slices.Grow(b.data, len(b.data)+4096) // doubles; append would not
	}
	from := len(b.data)
	var one, multi bool
	if b.data, one = b.x.key.AppendOne(b.data, d); one {
		b.end(from, slot)
		return
	}
	if b.many, multi = b.x.key.Append(b.many[:0], d); multi {
		b.x.multi++
	}
	for _, k := range b.many {
		from := len(b.data)
		b.data = append(b.data, k...)
		b.end(from, slot)
	}
}

// end notes that the key data[from:] belongs to a slot.
func (b *filler) end(from int, slot uint64) {
	key := b.data[from:]
	if len(b.ends) == 0 {
		b.alike = len(key)
	} else if len(key) < b.alike || view(key[:b.alike]) != view(b.data[:b.alike]) {
		b.alike = common(view(b.data[:b.alike]), view(key))
	}
	if len(b.ends) == cap(b.ends) {
		b.ends, b.slots = slices.Grow(b.ends, len(b.ends)+1), slices.Grow(b.slots, len(b.slots)+1)
	}
	b.ends, b.slots = append(b.ends, len(b.data)), append(b.slots, slot)
}

// key returns key i, a view.
func (b *filler) key(i uint32) []byte {
	from := 0
	if i > 0 {
		from = b.ends[i-1]
	}
	return b.data[from:b.ends[i]]
}

// part is the sixteen bytes of key at that come after some that all have alike, with
// zeros behind. size is how many are the key's, or longer where it has more.
type part struct {
	hi, lo uint64
	at     uint32
	size   uint8
}

const longer = 17

// load makes the part behind the first n bytes.
func (p *part) load(key []byte, n int) {
	r := restOf(view(key[n:]))
	p.hi, p.lo, p.size = r.head, 0, r.size
	if r.size == headLen {
		next := restOf(r.tail)
		p.lo, p.size = next.head, headLen+next.size
		if next.tail != "" {
			p.size = longer
		}
	}
}

// fill lays all entries, in their order, into the leaves of the index, which is
// empty. The leaves are left with an eighth to spare, so that the first inserts do
// not split all of them.
func (b *filler) fill() {
	const most = blockMax - blockMax/8
	b.addLate()
	parts := make([]part, len(b.ends))
	for i := range parts {
		parts[i].at = uint32(i)
		parts[i].load(b.key(uint32(i)), b.alike)
	}
	b.sort(parts, make([]part, len(parts)), b.alike)
	b.x.size = len(parts)
	for len(parts) > 0 {
		n, size := 1, b.length(&parts[0])
		for n < min(most, len(parts)) && size+b.length(&parts[n]) <= blockData {
			size += b.length(&parts[n])
			n++
		}
		made := b.block(parts[:n])
		b.x.keys += int(made.keys)
		if parts = parts[n:]; len(parts) == 0 {
			b.x.tree.Set(leaf{slot: noTop, block: made})
			break
		}
		top := made.entry(n - 1)
		b.x.tree.Set(leaf{top.key, top.slot, made})
	}
}

func (b *filler) length(p *part) int {
	if p.size < longer {
		return b.alike + int(p.size)
	}
	return len(b.key(p.at))
}

// block returns a block of some entries.
func (b *filler) block(parts []part) *block {
	first, last := view(b.key(parts[0].at)), view(b.key(parts[len(parts)-1].at))
	n := common(first, last) // keys in between share it too
	made := &block{prefix: strings.Clone(first[:n])}
	skip := n - b.alike
	var slots [blockMax]uint64
	for i := range parts { // so that the processor waits for all of them at once
		slots[i] = b.slots[parts[i].at]
	}
	for i := range parts {
		p := &parts[i]
		switch slot := slots[i]; {
		case p.size == longer:
			made.add(restOf(view(b.key(p.at)[n:])), slot)
		case int(p.size)-skip <= headLen:
			made.add(rest{head: p.from(skip), size: p.size - uint8(skip)}, slot)
		default:
			var tail [headLen]byte
			binary.BigEndian.PutUint64(tail[:], p.from(skip+headLen))
			made.add(rest{p.from(skip), headLen, view(tail[:int(p.size)-skip-headLen])}, slot)
		}
	}
	return made
}

// add appends an entry to a block that is being made, given by what its key has
// behind the prefix. It is not below the last.
func (b *block) add(r rest, slot uint64) {
	n := b.len()
	b.heads[n], b.slots[n], b.sizes[n] = r.head, slot, r.size
	if b.tails == nil && r.tail != "" {
		b.tails = &tails{}
	}
	if b.tails != nil {
		b.tails.insert(n, n, r.tail)
	}
	b.n++
	if n == 0 || !b.same(n-1, n) {
		b.keys++
	}
}

// from returns eight bytes of a part, from the n-th on.
func (p *part) from(n int) uint64 {
	if n < headLen {
		return p.hi<<(8*n) | p.lo>>(64-8*n)
	}
	return p.lo << (8 * (n - headLen))
}

// few is how many parts are sorted by comparing them.
const few = 24

// sort orders parts, made behind the first n bytes, and those that are equal as they
// are: by slot. spare is as long. It sorts by the first four bytes in which some
// differ, and then those that have these alike once more.
func (b *filler) sort(parts, spare []part, n int) {
	if len(parts) <= few {
		for i := 1; i < len(parts); i++ {
			for k := i; k > 0 && b.compare(&parts[k], &parts[k-1], n) < 0; k-- {
				parts[k], parts[k-1] = parts[k-1], parts[k]
			}
		}
		return
	}
	var hi, lo uint64 // bits that differ
	for i := range parts {
		hi |= parts[i].hi ^ parts[0].hi
		lo |= parts[i].lo ^ parts[0].lo
	}
	if hi|lo == 0 {
		b.sortLonger(parts, spare, n)
		return
	}
	var shifts [4]int // of those bytes: of hi, from 64 on
	count := 0
	var hiMask, loMask uint64
	for shift := 120; shift >= 0 && count < len(shifts); shift -= 8 {
		if shift >= 64 && hi>>(shift-64)&0xff != 0 {
			hiMask |= 0xff << (shift - 64)
		} else if shift < 64 && lo>>shift&0xff != 0 {
			loMask |= 0xff << shift
		} else {
			continue
		}
		shifts[count] = shift
		count++
	}
	from, to := parts, spare
	for k := count - 1; k >= 0; k-- {
		scatter(from, to, shifts[k])
		from, to = to, from
	}
	if count%2 == 1 {
		copy(parts, spare)
	}
	for i := 0; i < len(parts); {
		j := i + 1
		for j < len(parts) && (parts[j].hi^parts[i].hi)&hiMask|(parts[j].lo^parts[i].lo)&loMask == 0 {
			j++
		}
		if j-i > 1 {
			b.sort(parts[i:j], spare[i:j], n)
		}
		i = j
	}
}

// scatter sorts parts by one byte into another list.
func scatter(from, to []part, shift int) {
	var at [256]uint32
	if shift >= 64 {
		shift -= 64
		for i := range from {
			at[byte(from[i].hi>>shift)]++
		}
		starts(&at)
		for i := range from {
			place := &at[byte(from[i].hi>>shift)]
			to[*place] = from[i]
			*place++
		}
		return
	}
	for i := range from {
		at[byte(from[i].lo>>shift)]++
	}
	starts(&at)
	for i := range from {
		place := &at[byte(from[i].lo>>shift)]
		to[*place] = from[i]
		*place++
	}
}

// starts makes of counts the places where each begins.
func starts(counts *[256]uint32) {
	sum := uint32(0)
	for i, n := range counts {
		counts[i] = sum
		sum += n
	}
}

// sortLonger sorts parts that have all bytes alike.
func (b *filler) sortLonger(parts, spare []part, n int) {
	if !slices.ContainsFunc(parts, func(p part) bool { return p.size != parts[0].size || p.size == longer }) {
		return // they are one key, in the order of slots
	}
	slices.SortStableFunc(parts, func(p, q part) int { return int(p.size) - int(q.size) })
	from := slices.IndexFunc(parts, func(p part) bool { return p.size == longer })
	if from < 0 {
		return
	}
	parts, spare = parts[from:], spare[from:]
	was := parts[0]
	n += 2 * headLen
	more := len(b.key(was.at)) - n
	for i := range parts[1:] {
		more = min(more, common(view(b.key(was.at)[n:][:more]), view(b.key(parts[i+1].at)[n:])))
	}
	for i := range parts {
		parts[i].load(b.key(parts[i].at), n+more)
	}
	b.sort(parts, spare, n+more)
	for i := range parts {
		parts[i].hi, parts[i].lo, parts[i].size = was.hi, was.lo, longer
	}
}

// compare orders two parts made behind the first n bytes.
func (b *filler) compare(p, q *part, n int) int {
	switch {
	case p.hi != q.hi:
		return cmp.Compare(p.hi, q.hi)
	case p.lo != q.lo:
		return cmp.Compare(p.lo, q.lo)
	case p.size != q.size:
		return int(p.size) - int(q.size)
	case p.size == longer:
		n += 2 * headLen
		return strings.Compare(view(b.key(p.at)[n:]), view(b.key(q.at)[n:]))
	}
	return 0
}
