package wire

import (
	"encoding/json"
	"unicode/utf16"
	"unicode/utf8"
)

// appendEscaped writes text as the inside of a JSON string.
func appendEscaped(b, text []byte) []byte {
	const hex = "0123456789abcdef"
	start := 0
	for i, c := range text {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, text[start:i]...)
		start = i + 1
		if c < ' ' {
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		} else {
			b = append(b, '\\', c)
		}
	}
	return append(b, text[start:]...)
}

// messages adds the messages of a JSON list of strings, or of one string. Where the
// text is neither it adds nothing, and reports false.
func (b *batch) messages(text []byte) bool {
	was := *b
	i := skipSpace(text, 0)
	ok := false
	if i < len(text) && text[i] == '"' {
		i, ok = b.message(text, i)
	} else if i < len(text) && text[i] == '[' {
		i, ok = b.list(text, i+1)
	}
	if !ok || skipSpace(text, i) < len(text) {
		*b = was
		return false
	}
	return true
}

// list reads a list from behind its bracket, and returns where it ends.
func (b *batch) list(text []byte, i int) (int, bool) {
	if i = skipSpace(text, i); i < len(text) && text[i] == ']' {
		return i + 1, true
	}
	for {
		var ok bool
		if i, ok = b.message(text, skipSpace(text, i)); !ok {
			return i, false
		}
		if i = skipSpace(text, i); i == len(text) {
			return i, false
		}
		switch text[i] {
		case ',':
			i++
		case ']':
			return i + 1, true
		default:
			return i, false
		}
	}
}

func skipSpace(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\n' || text[i] == '\r' || text[i] == '\t') {
		i++
	}
	return i
}

// message adds the JSON string that begins at i, and returns where it ends.
//
// Half of a surrogate pair is no text. It is left an escape: within the message, which
// is JSON in its turn, that means the same.
func (b *batch) message(text []byte, i int) (int, bool) {
	if i >= len(text) || text[i] != '"' {
		return i, false
	}
	i++
	for start := i; i < len(text); {
		switch c := text[i]; {
		case c == '"':
			b.bytes = append(b.bytes, text[start:i]...)
			b.ends = append(b.ends, len(b.bytes))
			return i + 1, true
		case c < ' ':
			return i, false
		case c != '\\':
			i++
			continue
		}
		b.bytes = append(b.bytes, text[start:i]...)
		var ok bool
		if i, ok = b.escape(text, i); !ok {
			return i, false
		}
		start = i
	}
	return i, false
}

// escape adds the character whose escape begins at i, and returns where that ends.
func (b *batch) escape(text []byte, i int) (int, bool) {
	if i+1 >= len(text) {
		return i, false
	}
	c := text[i+1]
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		r := hex4(text, i)
		if r < 0 {
			return i, false
		}
		if !utf16.IsSurrogate(r) {
			b.bytes = utf8.AppendRune(b.bytes, r)
			return i + 6, true
		}
		if pair := utf16.DecodeRune(r, hex4(text, i+6)); pair != utf8.RuneError {
			b.bytes = utf8.AppendRune(b.bytes, pair)
			return i + 12, true
		}
		b.bytes = append(b.bytes, text[i:i+6]...)
		return i + 6, true
	default:
		return i, false
	}
	b.bytes = append(b.bytes, c)
	return i + 2, true
}

// hex4 reads an escape of the form \u0000 at i; -1 means that there is none.
func hex4(text []byte, i int) rune {
	if i+6 > len(text) || text[i] != '\\' || text[i+1] != 'u' {
		return -1
	}
	r := rune(0)
	for _, c := range text[i+2 : i+6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

// closeFrame reads [code,"reason"]; nil means that it is not that.
func closeFrame(text []byte) *CloseError {
	var parts []json.RawMessage
	e := new(CloseError)
	if json.Unmarshal(text, &parts) != nil || len(parts) == 0 || json.Unmarshal(parts[0], &e.Code) != nil {
		return nil
	}
	if len(parts) > 1 && json.Unmarshal(parts[1], &e.Text) != nil {
		return nil
	}
	return e
}
