package ddp

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/replicad/replicad/ddp/ejson"
)

// fast reads the data messages that make up nearly all traffic, as every server
// writes them: the keys in the usual order, without spaces, with a collection that
// came before and an id that needs no decoding. ok is false where the message is
// anything else, also a broken one; then it is read the general way.
func (d *Decoder) fast(b []byte) (m Message, ok bool) {
	const (
		added   = `{"msg":"added","collection":"`
		changed = `{"msg":"changed","collection":"`
		removed = `{"msg":"removed","collection":"`
		id      = `","id":"`
		fields  = `,"fields":`
	)
	if len(b) < len(changed) {
		return nil, false
	}
	kind, n := b[8], len(changed)
	if kind == 'a' {
		n = len(added)
	}
	switch string(b[:n]) {
	case added, changed, removed:
	default:
		return nil, false
	}
	rest, collection := b[n:], ""
	if last := d.names.last; last != "" && len(rest) > len(last)+len(id) && string(rest[:len(last)]) == last && string(rest[len(last):len(last)+len(id)]) == id {
		rest, collection = rest[len(last)+len(id):], last
	} else {
		end := bytes.IndexByte(rest, '"')
		if end < 0 {
			return nil, false
		}
		// A name that is remembered was read the general way once, so it is sound.
		if collection, ok = d.names.known(rest[:end]); !ok {
			return nil, false
		}
		if rest, ok = bytes.CutPrefix(rest[end:], []byte(id)); !ok {
			return nil, false
		}
	}
	end := plainText(rest)
	if end < 0 {
		return nil, false
	}
	wire, rest := rest[:end], rest[end+1:]
	if kind == 'r' {
		docID, err := ejson.ParseWireID(string(wire))
		return Removed{Collection: collection, ID: docID}, err == nil && string(rest) == "}"
	}
	rest, ok = bytes.CutPrefix(rest, []byte(fields))
	if !ok {
		return nil, false
	}
	d.in.Reset(rest)
	var doc ejson.Doc
	var docID ejson.ID
	var err error
	if kind == 'a' && d.Whole {
		doc, docID, err = d.in.Document(wire)
	} else if doc, err = d.in.DocValue(); err == nil {
		docID, err = ejson.ParseWireID(string(wire))
	}
	if err != nil || string(rest[d.in.Offset():]) != "}" {
		return nil, false
	}
	if kind == 'a' {
		return Added{Collection: collection, ID: docID, Fields: doc}, true
	}
	return Changed{Collection: collection, ID: docID, Fields: doc}, true
}

// plainText returns the length of the text at the start of b that a quote ends, if it
// is of ASCII without escapes, and else -1.
func plainText(b []byte) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	n := 0
	for ; len(b)-n >= 8; n += 8 {
		// A byte below 0x21 after xor with 2 was a control character or the quote;
		// xor with the backslash makes that one zero.
		x := binary.LittleEndian.Uint64(b[n:])
		low, slash := (x^ones*2)-ones*0x21, (x^ones*'\\')-ones
		if stop := (low | slash | x) & highs; stop != 0 {
			n += bits.TrailingZeros64(stop) / 8
			break
		}
	}
	for ; n < len(b) && b[n] != '"'; n++ {
		if b[n] < ' ' || b[n] >= 0x7f || b[n] == '\\' {
			return -1
		}
	}
	if n == len(b) {
		return -1
	}
	return n
}
