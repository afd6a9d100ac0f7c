package wire

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// ErrAnswered is given by Accept where a request was answered and no transport came
// of it, without anything being wrong.
var ErrAnswered = errors.New("wire: answered")

// Accept answers whatever is asked of a DDP endpoint over HTTP, by the end of the
// request's path: …/sockjs/info and …/sockjs are described, …/sockjs/<server>/<session>/websocket
// is UpgradeSockJS, the other transports of SockJS are not found, and everything else,
// …/websocket and …/sockjs/websocket among it, is Upgrade.
//
// Only with a nil error is there a transport. Otherwise the request has been answered.
func Accept(w http.ResponseWriter, r *http.Request, opts UpgradeOptions) (Transport, error) {
	switch end := sockJSEnd(r.URL.Path); {
	case end == nil || len(end) == 1 && end[0] == "websocket":
		s, err := Upgrade(w, r, opts)
		if err != nil {
			return nil, err
		}
		return s, nil
	case len(end) == 0:
		w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
		fmt.Fprint(w, "Welcome to SockJS!\n")
	case len(end) == 1 && end[0] == "info":
		describe(w, r)
	case IsSockJS(r.URL.Path):
		s, err := UpgradeSockJS(w, r, opts)
		if err != nil {
			return nil, err
		}
		return s, nil
	default:
		http.NotFound(w, r)
	}
	return nil, ErrAnswered
}

// IsSockJS reports whether the path is that of one session of the WebSocket transport
// of SockJS: …/sockjs/<server>/<session>/websocket.
func IsSockJS(path string) bool {
	end := sockJSEnd(path)
	return len(end) == 3 && end[2] == "websocket" && isName(end[0]) && isName(end[1])
}

func isName(s string) bool { return s != "" && !strings.Contains(s, ".") }

// sockJSEnd returns what follows sockjs in a path, nil where it does not occur.
func sockJSEnd(path string) []string {
	parts := strings.Split(strings.TrimSuffix(path, "/"), "/")
	for i := len(parts) - 1; i >= 0; i-- {
		if parts[i] == "sockjs" {
			return parts[i+1:]
		}
	}
	return nil
}

// UpgradeSockJS is Upgrade for the WebSocket transport of SockJS.
func UpgradeSockJS(w http.ResponseWriter, r *http.Request, opts UpgradeOptions) (*SockJS, error) {
	message := opts.withDefaults().Message
	opts.Limits = sockJSLimits(opts.withDefaults())
	s, err := Upgrade(w, r, opts)
	if err != nil {
		return nil, err
	}
	// Meteor's servers have 45s; proxies that cut silent connections begin at 30s.
	return newSockJS(s, message, true, cmp.Or(opts.Pulse, 25*time.Second)), nil
}

// describe answers /sockjs/info.
func describe(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store, no-cache, no-transform, must-revalidate, max-age=0")
	// What is told here is no secret, and the handshake looks at the origin. Browsers
	// come with cookies, and so do not take an asterisk.
	h.Add("Vary", "Origin")
	if origin := r.Header.Get("Origin"); origin != "" {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
		if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
			h.Set("Access-Control-Allow-Headers", asked)
		}
	} else {
		h.Set("Access-Control-Allow-Origin", "*")
	}
	switch r.Method {
	case http.MethodGet:
		h.Set("Content-Type", "application/json; charset=UTF-8")
		fmt.Fprintf(w, `{"websocket":true,"origins":["*:*"],"cookie_needed":false,"entropy":%d}`, rand.Uint32())
	case http.MethodOptions:
		h.Set("Access-Control-Allow-Methods", "OPTIONS, GET")
		h.Set("Access-Control-Max-Age", "31536000")
		w.WriteHeader(http.StatusNoContent)
	default:
		h.Set("Allow", "OPTIONS, GET")
		http.Error(w, "wants GET", http.StatusMethodNotAllowed)
	}
}
