package server

import (
	"net/http"
	"strings"
)

// Peer is what is known of a client from its handshake.
type Peer struct {
	Addr   string      // where it connects from: see Session.Addr; "" if that is not known
	Header http.Header // of its request, nil if there was none
	UserID string      // who it is, as Server.Authorize found; "" for nobody
}

// forwarded returns the address that a request came from: the socket's, or behind
// n proxies that are to be trusted, the nth entry from the end of X-Forwarded-For.
// Where the header is shorter than that, somebody got past the proxies, and the
// address is unknown: "".
func forwarded(r *http.Request, n int) string {
	if n <= 0 {
		return r.RemoteAddr
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	if n > len(hops) {
		return ""
	}
	return strings.TrimSpace(hops[len(hops)-n])
}
