package wire

import (
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

// Upgrade answers a WebSocket handshake and takes the connection over. When it
// fails it has answered the request with an HTTP error, and the error says why.
// No subprotocol is required, and none is chosen.
func Upgrade(w http.ResponseWriter, r *http.Request, opts UpgradeOptions) (*Socket, error) {
	limits := opts.withDefaults()
	up := websocket.Upgrader{
		ReadBufferSize:    opts.ReadBuffer,
		WriteBufferSize:   writeBufferSize,
		WriteBufferPool:   &writeBuffers,
		EnableCompression: limits.Deflate >= 0,
		CheckOrigin:       opts.CheckOrigin,
	}
	cw := &corkedResponse{ResponseWriter: w}
	ws, err := up.Upgrade(cw, r, nil)
	if err != nil {
		return nil, err
	}
	return newSocket(ws, cw.conn, limits, true), nil
}
