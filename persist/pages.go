package persist

import (
	"bytes"
	"encoding/binary"
	"hash/fnv"
	"io"
	"math"
)

// checkPages reads every page that is in use and verifies that the tree of
// pages is one: each within the file, of a known kind, referred to once, with
// its elements inside it and its keys in order.
//
// bbolt trusts its pages. When it opens a file to write it walks them all, to
// find those that are free, in a goroutine of its own, where neither recover nor
// SetPanicOnFault of ours can reach: a flipped bit would end the process. And a
// page that two parents share would be written over while it is in use. So we
// look first. The values are verified by their own checksums, when they are read.
func checkPages(r io.ReaderAt, size int64) error {
	m, err := readMeta(r, size)
	if err != nil {
		return err
	}
	if need := m.pages * pageSize; m.pages > uint64(size)/pageSize {
		return damaged("it is cut short: %d bytes of at least %d are there", size, need)
	}
	w := &walker{r: r, pages: m.pages, seen: make([]uint64, m.pages/64+1)}
	w.mark(0, 2)
	if m.freelist != noFreelist {
		// Only bbolt's own first state has a list of free pages, an empty one.
		if m.pages != 4 || m.freelist != 2 || m.root != 3 {
			return damaged("it has a list of free pages at page %d", m.freelist)
		}
		p, err := w.page(m.freelist, 0)
		if err != nil {
			return err
		}
		if p.flags != freelistPage || p.count != 0 {
			return damaged("page 2 is not an empty list of free pages")
		}
	}
	return w.tree(m.root, nil, nil, 0, true)
}

const (
	branchPage   = 0x01
	leafPage     = 0x02
	freelistPage = 0x10
	bucketFlag   = 0x01

	pageHeader = 16
	elementLen = 16
	noFreelist = math.MaxUint64

	// maxDepth is above what a file of any size can have: a branch has dozens of
	// children at least.
	maxDepth = 24
)

// meta is what a meta page of bbolt says.
type meta struct {
	root, freelist, pages, txid uint64
}

// readMeta returns the meta page that bbolt would use: the valid one of the
// higher transaction. bbolt writes all in the byte order of the machine.
func readMeta(r io.ReaderAt, size int64) (meta, error) {
	var best meta
	var some bool
	b := make([]byte, 2*pageSize)
	n, err := r.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		return best, err
	}
	b = b[:n]
	for at := pageHeader; at+64 <= len(b); at += pageSize {
		p := b[at : at+64]
		h := fnv.New64a()
		h.Write(p[:56])
		order := binary.NativeEndian
		if order.Uint32(p) != 0xED0CDAED || order.Uint32(p[4:]) != 2 || order.Uint64(p[56:]) != h.Sum64() {
			continue
		}
		if order.Uint32(p[8:]) != pageSize {
			return best, errNotOurs("a bbolt file with pages of %d bytes", order.Uint32(p[8:]))
		}
		m := meta{root: order.Uint64(p[16:]), freelist: order.Uint64(p[32:]), pages: order.Uint64(p[40:]), txid: order.Uint64(p[48:])}
		if !some || m.txid > best.txid {
			best, some = m, true
		}
	}
	if some {
		return best, nil
	}
	// Neither can be used. Is it one of ours at all?
	for at := pageHeader; at+8 <= len(b); at += pageSize {
		if binary.LittleEndian.Uint32(b[at:]) == 0xED0CDAED || binary.BigEndian.Uint32(b[at:]) == 0xED0CDAED {
			return best, damaged("both of its first pages fail their checksums, or another kind of machine wrote it")
		}
	}
	if size < 2*pageSize && size > 0 {
		return best, errNotOurs("%d bytes that begin with %q", size, b[:min(len(b), 16)])
	}
	return best, errNotOurs("a file that begins with %q", b[:min(len(b), 16)])
}

// walker checks the pages below some page.
type walker struct {
	r     io.ReaderAt
	pages uint64
	seen  []uint64 // a bit a page
	bufs  [maxDepth + 1][]byte
}

// page is a page in memory, its overflow with it.
type page struct {
	id    uint64
	flags uint16
	count int
	b     []byte // all of it, header and overflow
}

// mark notes that n pages are in use, and reports whether none was before.
func (w *walker) mark(id, n uint64) bool {
	for ; n > 0; id, n = id+1, n-1 {
		if w.seen[id/64]&(1<<(id%64)) != 0 {
			return false
		}
		w.seen[id/64] |= 1 << (id % 64)
	}
	return true
}

// page reads a page into the buffer of its depth.
func (w *walker) page(id uint64, depth int) (page, error) {
	if id < 2 || id >= w.pages {
		return page{}, damaged("a reference to page %d of %d", id, w.pages)
	}
	if depth > maxDepth {
		return page{}, damaged("more than %d levels of pages", maxDepth)
	}
	// One read serves most pages: a leaf of two blocks has four.
	b := w.bufs[depth]
	want := min(4, w.pages-id) * pageSize
	if uint64(len(b)) < want {
		b = make([]byte, want)
	}
	if _, err := w.r.ReadAt(b[:want], int64(id*pageSize)); err != nil {
		return page{}, err
	}
	order := binary.NativeEndian
	p := page{id: order.Uint64(b), flags: order.Uint16(b[8:]), count: int(order.Uint16(b[10:]))}
	n := uint64(order.Uint32(b[12:])) + 1
	if p.id != id {
		return page{}, damaged("page %d says that it is page %d", id, p.id)
	}
	if n > w.pages-id {
		return page{}, damaged("page %d has %d pages, beyond the last", id, n)
	}
	if !w.mark(id, n) {
		return page{}, damaged("page %d is in use twice", id)
	}
	if total := n * pageSize; total > want {
		if uint64(len(b)) < total {
			b = append(b[:want], make([]byte, total-want)...)
		}
		if _, err := w.r.ReadAt(b[want:total], int64(id*pageSize+want)); err != nil {
			return page{}, err
		}
	}
	w.bufs[depth] = b
	p.b = b[:n*pageSize]
	return p, nil
}

// tree checks the pages of a bucket from one of them down. Its keys are not
// below low and are below high, where they are not nil. Only the bucket at the
// root has buckets in it.
func (w *walker) tree(id uint64, low, high []byte, depth int, root bool) error {
	p, err := w.page(id, depth)
	if err != nil {
		return err
	}
	switch p.flags {
	case leafPage:
		return w.leaf(p, low, high, depth, root)
	case branchPage:
	default:
		return damaged("page %d is of no known kind (%#x)", id, p.flags)
	}
	if p.count == 0 {
		return damaged("page %d has no children", id)
	}
	type child struct {
		key  []byte
		page uint64
	}
	children := make([]child, p.count)
	for i := range children {
		e, ok := p.element(i)
		if !ok {
			return damaged("page %d: element %d is not in it", id, i)
		}
		order := binary.NativeEndian
		key, ok := p.slice(i, order.Uint32(e), order.Uint32(e[4:]), 0)
		if !ok || len(key) == 0 {
			return damaged("page %d: key %d is not in it", id, i)
		}
		if err := inOrder(id, key, low, high, i > 0); err != nil {
			return err
		}
		low = key
		children[i] = child{key, order.Uint64(e[8:])} // in the buffer of this depth, which stays
	}
	for i, c := range children {
		to := high
		if i+1 < len(children) {
			to = children[i+1].key
		}
		if err := w.tree(c.page, c.key, to, depth+1, root); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) leaf(p page, low, high []byte, depth int, root bool) error {
	order := binary.NativeEndian
	for i := range p.count {
		e, ok := p.element(i)
		if !ok {
			return damaged("page %d: element %d is not in it", p.id, i)
		}
		flags, pos, ksize, vsize := order.Uint32(e), order.Uint32(e[4:]), order.Uint32(e[8:]), order.Uint32(e[12:])
		kv, ok := p.slice(i, pos, ksize, vsize)
		if !ok || ksize == 0 {
			return damaged("page %d: value %d is not in it", p.id, i)
		}
		key, value := kv[:ksize], kv[ksize:]
		if err := inOrder(p.id, key, low, high, i > 0); err != nil {
			return err
		}
		low = key
		if (flags&bucketFlag != 0) != root {
			return damaged("page %d: %q is in the wrong place", p.id, key)
		}
		if !root {
			continue
		}
		if len(value) < 16 {
			return damaged("page %d: bucket %q cannot be read", p.id, key)
		}
		if err := w.bucket(p.id, value, depth); err != nil {
			return err
		}
	}
	return nil
}

// bucket checks a bucket by its header, which is the number of its first page,
// or 0 before a small page of its own.
func (w *walker) bucket(id uint64, value []byte, depth int) error {
	order := binary.NativeEndian
	if first := order.Uint64(value); first != 0 {
		return w.tree(first, nil, nil, depth+1, false)
	}
	value = value[16:]
	if len(value) < pageHeader {
		return damaged("page %d: a bucket in it is cut short", id)
	}
	p := page{id: id, flags: order.Uint16(value[8:]), count: int(order.Uint16(value[10:])), b: value}
	if p.flags != leafPage {
		return damaged("page %d: a bucket in it is of no known kind", id)
	}
	return w.leaf(p, nil, nil, depth, false)
}

// element returns the i-th element of the table behind the header.
func (p *page) element(i int) ([]byte, bool) {
	at := pageHeader + i*elementLen
	if at+elementLen > len(p.b) {
		return nil, false
	}
	return p.b[at : at+elementLen], true
}

// slice returns a key and the value behind it. pos counts from the element.
func (p *page) slice(i int, pos, ksize, vsize uint32) ([]byte, bool) {
	from := uint64(pageHeader+i*elementLen) + uint64(pos)
	to := from + uint64(ksize) + uint64(vsize)
	if from < uint64(pageHeader+p.count*elementLen) || to > uint64(len(p.b)) {
		return nil, false
	}
	return p.b[from:to], true
}

// inOrder checks that a key is not below low, or above it, and is below high.
func inOrder(id uint64, key, low, high []byte, above bool) error {
	c := 1
	if low != nil {
		c = bytes.Compare(key, low)
	}
	if c < 0 || (above && c == 0) || (high != nil && bytes.Compare(key, high) >= 0) {
		return damaged("page %d: key %x is out of order", id, key)
	}
	return nil
}
