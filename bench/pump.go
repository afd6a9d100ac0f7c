package bench

import (
	"net/http"

	"github.com/gorilla/websocket"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
)

// Frames returns the added messages of documents as a server sends them, and the sum
// of their lengths in bytes.
func Frames(collection string, list []ejson.Doc) (frames [][]byte, bytes int) {
	frames = make([][]byte, len(list))
	for i, d := range list {
		frames[i] = ddp.Append(nil, ddp.Added{Collection: collection, ID: d.ID(), Fields: d.WithoutID()})
		bytes += len(frames[i])
	}
	return frames, bytes
}

// Pump is the cheapest of DDP servers: it answers every subscription with all
// documents, a frame a message, from bytes made beforehand. So what a client takes
// from it is measured without what a server costs. It takes any origin: it is for
// loopback.
func Pump(collection string, list []ejson.Doc) http.Handler {
	frames, bytes := Frames(collection, list)
	stream := make([]byte, 0, bytes+4*len(frames))
	for _, f := range frames {
		// An unmasked text frame, as servers send them: 126 says that two bytes of
		// length follow.
		stream = append(stream, 0x81, 126, byte(len(f)>>8), byte(len(f)))
		stream = append(stream, f...)
	}
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := up.Upgrade(w, r, nil)
		if err != nil {
			return // it has been answered
		}
		defer ws.Close()
		say := func(m ddp.Message) error { return ws.WriteMessage(websocket.TextMessage, ddp.Append(nil, m)) }
		for {
			_, text, err := ws.ReadMessage()
			if err != nil {
				return
			}
			m, err := ddp.Decode(text)
			if err != nil {
				return
			}
			switch m := m.(type) {
			case ddp.Connect:
				err = say(ddp.Connected{Session: "pump"})
			case ddp.Ping:
				err = say(ddp.Pong(m))
			case ddp.Sub:
				if _, err = ws.NetConn().Write(stream); err == nil {
					err = say(ddp.Ready{Subs: []string{m.ID}})
				}
			}
			if err != nil {
				return
			}
		}
	})
}
