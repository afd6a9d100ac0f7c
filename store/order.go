package store

import (
	"bytes"
	"cmp"
	"slices"
)

// order fills refs with the places of entries, in their order.
func (b *builder) order() {
	b.refs = slices.Grow(b.refs[:0], len(b.entries))
	for i := range b.entries {
		b.refs = append(b.refs, uint64(i))
	}
	b.sort(b.refs, 0)
}

// sort sorts the refs of entries whose keys are alike in their first n bytes, at
// least. Places are sorted by the four bytes after those in which all keys are
// alike, and those where these are equal once more. A thousand entries take a tenth
// of what it takes to sort them with a function that compares two.
func (b *builder) sort(refs []uint64, n int) {
	if len(refs) < 8 {
		slices.SortFunc(refs, b.compare)
		return
	}
	first := view(b.at(refs[0]).key)
	alike, equal := len(first), true
	for _, r := range refs[1:] {
		key := view(b.at(r).key)
		equal = equal && key == first
		if len(key) < alike || key[n:alike] != first[n:alike] {
			alike = n + common(first[n:alike], key[n:])
		}
	}
	if equal {
		slices.SortFunc(refs, b.compare)
		return
	}
	for i, r := range refs {
		head := restOf(view(b.at(r).key[alike:])).head
		refs[i] = head>>32<<32 | uint64(uint32(r))
	}
	if len(refs) < 128 {
		slices.Sort(refs)
	} else {
		b.spare = slices.Grow(b.spare[:0], len(refs))[:len(refs)]
		radix(refs, b.spare)
	}
	for i := 0; i < len(refs); {
		j := i + 1
		for j < len(refs) && (refs[j]^refs[i])>>32 == 0 {
			j++
		}
		if j-i > 1 {
			b.sort(refs[i:j], alike)
		}
		i = j
	}
}

// radix sorts numbers by their upper halves, a byte after the other from the
// lowest. spare is as long as list.
func radix(list, spare []uint64) {
	var counts [4][256]uint32
	for _, v := range list {
		counts[0][byte(v>>32)]++
		counts[1][byte(v>>40)]++
		counts[2][byte(v>>48)]++
		counts[3][byte(v>>56)]++
	}
	from, to := list, spare
	for k := range counts {
		shift := 32 + 8*k
		at := &counts[k]
		if at[byte(from[0]>>shift)] == uint32(len(from)) {
			continue // all have this byte
		}
		sum := uint32(0)
		for i, n := range at {
			at[i] = sum
			sum += n
		}
		for _, v := range from {
			place := &at[byte(v>>shift)]
			to[*place] = v
			*place++
		}
		from, to = to, from
	}
	if &from[0] != &list[0] {
		copy(list, from)
	}
}

func (b *builder) compare(p, q uint64) int {
	e, f := b.at(p), b.at(q)
	if n := bytes.Compare(e.key, f.key); n != 0 {
		return n
	}
	return cmp.Compare(e.slot, f.slot)
}
