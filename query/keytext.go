package query

import "strings"

// readKey reads a key of a sort or an index: a path, with "-" before it to descend
// and with "+" where the path could else be taken for another.
func readKey(text string) (path string, desc bool) {
	if signed(text, "+") {
		return text[1:], false
	}
	return strings.CutPrefix(text, "-")
}

// signed reports whether text is sign and something that begins with a sign.
func signed(text, sign string) bool {
	rest, ok := strings.CutPrefix(text, sign)
	return ok && rest != "" && (rest[0] == '-' || rest[0] == '+')
}

// keyTexts is the way back.
func keyTexts(keys []sortKey) []string {
	var texts []string
	for _, k := range keys {
		name := k.path.text
		switch {
		case k.desc:
			name = "-" + name
		case name[0] == '-' || signed(name, "+"):
			name = "+" + name
		}
		texts = append(texts, name)
	}
	return texts
}
