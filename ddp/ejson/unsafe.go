package ejson

import (
	"encoding/binary"
	"unsafe"
)

// The functions of this file are all that the package does with package unsafe.
// Without the first two every document would be copied once more when it is
// finished (35 ns of 330 for a document of 300 bytes, and a second allocation),
// and every key and number of a text would be copied to be looked at. Without
// the third a lookup takes 13 ns instead of 9.

// freeze returns b as a string, without a copy. b must never be written again.
func freeze(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// peek returns b as a string that is good until b is written.
func peek(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// word reads four bytes of the table of a run, without asking whether they are
// there. They are: a table lies where the trailer says, every trailer is either
// written by this package or checked by FromRaw, and nothing else is read so.
func word(s string, i int) uint32 {
	return binary.LittleEndian.Uint32((*[4]byte)(unsafe.Add(unsafe.Pointer(unsafe.StringData(s)), i))[:])
}
