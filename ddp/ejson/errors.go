package ejson

import (
	"errors"
	"fmt"
	"strconv"
)

var (
	// ErrTooDeep is returned for a value nested more than 200 levels deep.
	ErrTooDeep = errors.New("ejson: nested too deep (limit 200)")
	// ErrTooLarge is returned for a text or a value of more than MaxSize bytes.
	ErrTooLarge = errors.New("ejson: too large (limit 64 MiB)")
	// ErrCorrupt is returned by FromRaw for bytes that Raw did not return.
	ErrCorrupt = errors.New("ejson: corrupt document")
)

// The limits on what is taken from outside.
const (
	// MaxDepth is how deep the values of a text or of a Go value may be nested.
	MaxDepth = 200
	// MaxSize is how many bytes a text may have, and a document made of it.
	MaxSize = 64 << 20
)

// A DecodeError says where in the text a value could not be read.
type DecodeError struct {
	Offset int64  // bytes before the fault
	Path   string // dotted path of the value, "" at the root
	Err    error
}

func (e *DecodeError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("ejson: at byte %d: %v", e.Offset, e.Err)
	}
	return fmt.Sprintf("ejson: at byte %d (%s): %v", e.Offset, e.Path, e.Err)
}

func (e *DecodeError) Unwrap() error { return e.Err }

// A ConvertError says which part of a Go value has no place in a document, or
// which field of a document has no place in a Go value.
type ConvertError struct {
	Path string // dotted path of the value, "" at the root
	Msg  string
}

func (e *ConvertError) Error() string {
	if e.Path == "" {
		return "ejson: " + e.Msg
	}
	return "ejson: " + e.Path + ": " + e.Msg
}

// An UnknownTypeError is the cause of a DecodeError of a strict [Decoder]: the
// text has a custom type that nobody registered.
type UnknownTypeError struct{ Type string }

func (e *UnknownTypeError) Error() string {
	return "custom type " + strconv.Quote(e.Type) + " is not registered"
}

func convertErrorf(format string, args ...any) error {
	return &ConvertError{Msg: fmt.Sprintf(format, args...)}
}

// under puts a name in front of the path of an error on its way out.
func under(err error, name string) error {
	var path *string
	switch e := err.(type) {
	case *DecodeError:
		path = &e.Path
	case *ConvertError:
		path = &e.Path
	default:
		return err
	}
	if *path == "" {
		*path = name
	} else {
		*path = name + "." + *path
	}
	return err
}
