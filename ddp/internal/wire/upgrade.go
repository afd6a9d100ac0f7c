package wire

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

// UpgradeOptions configure Upgrade. The zero value is the default.
type UpgradeOptions struct {
	Limits
	// CheckOrigin says whether a browser's page from elsewhere may connect; nil
	// means that only pages of the same host may, and everyone who is no browser.
	CheckOrigin func(*http.Request) bool
	// Pulse is how often a SockJS transport sends a heartbeat of its own, which no
	// client looks at and which proxies like; 0 means 25s, negative never.
	Pulse time.Duration
}

// ErrOrigin is given for a page that may not connect: see UpgradeOptions.CheckOrigin.
var ErrOrigin = errors.New("wire: a page of another origin")

// Upgrade answers a WebSocket handshake and takes the connection over. When it
// fails it has answered the request with an HTTP error, and the error says why.
// No subprotocol is required, and none is chosen.
func Upgrade(w http.ResponseWriter, r *http.Request, opts UpgradeOptions) (*Socket, error) {
	limits := opts.withDefaults()
	var refused error
	up := websocket.Upgrader{
		ReadBufferSize:    opts.ReadBuffer,
		WriteBufferSize:   writeBufferSize,
		WriteBufferPool:   &writeBuffers,
		EnableCompression: limits.Deflate >= 0,
		CheckOrigin:       opts.CheckOrigin,
		Error: func(w http.ResponseWriter, r *http.Request, status int, reason error) {
			text := reason.Error()
			switch {
			case status == http.StatusForbidden:
				text = fmt.Sprintf("pages of %s may not connect to this server", r.Header.Get("Origin"))
				refused = fmt.Errorf("%w: %s at %s", ErrOrigin, r.Header.Get("Origin"), r.Host)
			case !websocket.IsWebSocketUpgrade(r):
				text = "here is a DDP server, which speaks WebSocket only: connect with a DDP client"
			}
			w.Header().Set("Sec-Websocket-Version", "13")
			http.Error(w, text, status)
		},
	}
	cw := &corkedResponse{ResponseWriter: w}
	ws, err := up.Upgrade(cw, r, nil)
	if err != nil {
		return nil, cmp.Or(refused, err)
	}
	return newSocket(ws, cw.conn, limits, true), nil
}
