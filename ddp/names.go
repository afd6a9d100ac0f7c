package ddp

// names remembers text that came before, up to a bound. The zero value is ready.
type names struct {
	last string
	m    map[string]string
}

// Names beyond these bounds are not names: a server that uses method ids of its own
// must not fill the memory.
const (
	maxNames = 1024
	maxName  = 64
)

// known returns the text if it came before.
func (n *names) known(b []byte) (string, bool) {
	if string(b) == n.last && n.m != nil {
		return n.last, true
	}
	s, ok := n.m[string(b)]
	return s, ok
}

func (n *names) of(b []byte) string {
	if string(b) == n.last {
		return n.last
	}
	s, ok := n.m[string(b)]
	if !ok {
		s = string(b)
		if len(s) > maxName {
			return s
		}
		if n.m == nil || len(n.m) >= maxNames {
			n.m = make(map[string]string)
		}
		n.m[s] = s
	}
	n.last = s
	return s
}
