package ddp

import "slices"

// Versions are the protocol versions of this package, the best first.
func Versions() []string { return []string{"1", "pre2", "pre1"} }

// Negotiate is the server's half of the choice of a version: pick is the first
// entry of the client's list that is known here ("1" if none is), and agreed says
// whether it is what the client proposed. If not, the answer is Failed{pick}. A
// proposal that is not in the client's own list is refused with "1".
func Negotiate(support []string, version string) (pick string, agreed bool) {
	if !slices.Contains(support, version) {
		return "1", false
	}
	known := Versions()
	for _, v := range support {
		if slices.Contains(known, v) {
			return v, v == version
		}
	}
	return "1", false
}
