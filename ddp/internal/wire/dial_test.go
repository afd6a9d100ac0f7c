package wire

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

func TestDialCanceledWhileTheServerIsMute(t *testing.T) {
	got := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(got)
		<-r.Context().Done()
	}))
	defer srv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-got; cancel() }()
	_, err := Dial(ctx, "ws"+strings.TrimPrefix(srv.URL, "http"), DialOptions{})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func TestDialAnswers(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(404)
		w.Write([]byte("<html>nothing here"))
	}))
	defer srv.Close()
	_, err := Dial(t.Context(), "ws"+strings.TrimPrefix(srv.URL, "http"), DialOptions{})
	var he *HandshakeError
	if !errors.As(err, &he) || he.Code != 404 || he.Type != "text/html" || he.Body != "<html>nothing here" {
		t.Fatalf("%#v", err)
	}
}

// TestDialWithoutCompression meets a server that answers the offer with a form of
// compression that was not offered.
func TestDialWithoutCompression(t *testing.T) {
	var offers []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		offer := r.Header.Get("Sec-Websocket-Extensions")
		offers = append(offers, offer)
		if offer == "" {
			if s, err := Upgrade(w, r, UpgradeOptions{}); err == nil {
				echo(s)
				s.Close(CodeNormal, "")
			}
			return
		}
		sum := sha1.Sum([]byte(r.Header.Get("Sec-Websocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Accept: %s\r\n\r\n",
			base64.StdEncoding.EncodeToString(sum[:]))
		rw.Flush()
		rw.ReadByte()
	}))
	defer srv.Close()
	s := dialTest(t, "ws"+strings.TrimPrefix(srv.URL, "http"), DialOptions{})
	s.Write(t.Context(), make([]byte, 5000), false)
	if frame, err := s.Read(); err != nil || len(frame) != 5000 {
		t.Error(len(frame), err)
	}
	s.Close(CodeNormal, "")
	if len(offers) != 2 || offers[0] == "" || offers[1] != "" {
		t.Errorf("offered %q", offers)
	}
}

// TestDeflateIsOffered by both sides, unless it is not wanted; no subprotocol is.
func TestDeflateIsOffered(t *testing.T) {
	for _, c := range []struct {
		client, server  int
		offered, agreed bool
	}{{0, 0, true, true}, {-1, 0, false, false}, {0, -1, true, false}} {
		asked := make(chan http.Header, 2)
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked <- r.Header
			s, err := Upgrade(w, r, UpgradeOptions{Limits: Limits{Deflate: c.server}})
			if err == nil {
				s.Close(CodeNormal, "")
			}
		}))
		s := dialTest(t, "ws"+strings.TrimPrefix(srv.URL, "http"), DialOptions{
			Limits: Limits{Deflate: c.client},
		})
		s.Close(CodeNormal, "")
		h := <-asked
		if got := strings.HasPrefix(h.Get("Sec-WebSocket-Extensions"), "permessage-deflate"); got != c.offered {
			t.Errorf("%+v: offered %v", c, got)
		}
		if h.Get("Sec-WebSocket-Protocol") != "" {
			t.Error("a subprotocol is asked for")
		}
		ws, resp, err := (&websocket.Dialer{EnableCompression: c.client >= 0, Subprotocols: []string{"ddp"}}).Dial("ws"+strings.TrimPrefix(srv.URL, "http"), nil)
		if err != nil {
			t.Fatal(err)
		}
		ws.Close()
		if got := resp.Header.Get("Sec-WebSocket-Extensions") != ""; got != c.agreed || resp.Header.Get("Sec-WebSocket-Protocol") != "" {
			t.Errorf("%+v: answered %v", c, resp.Header)
		}
		srv.Close()
	}
}
