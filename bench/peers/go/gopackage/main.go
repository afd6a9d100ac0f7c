package main

import (
	"fmt"
	"log"
	"net/http/httptest"
	"strings"

	gopackage "github.com/gopackage/ddp"

	"github.com/replicad/replicad/bench"
	"github.com/replicad/replicad/bench/peers/peer"
	"github.com/replicad/replicad/ddp/ejson"
)

// gopackagePeer is the DDP client that Go has had: a map of maps by id.
type gopackagePeer struct {
	client *gopackage.Client
	c      gopackage.Collection
}

func main() { peer.Main(newGopackage) }

func newGopackage() (peer.Peer, error) {
	log.SetFlags(0)
	return &gopackagePeer{}, nil
}

func (*gopackagePeer) How() string {
	return "NewClient, Connect, Sub, CollectionByName(…).FindOne: a map by id, and no queries; documents come only from a server, so W1 is not its workload"
}

func (g *gopackagePeer) Close() error {
	if g.client != nil {
		g.client.Close()
	}
	return nil
}

// Served says that Load is no bulk load.
func (*gopackagePeer) Served() {}

func (*gopackagePeer) Prepare(list []ejson.Doc) any { return list }

func (g *gopackagePeer) Load(prepared any) error {
	list := prepared.([]ejson.Doc)
	web := httptest.NewServer(bench.Pump("docs", list))
	defer web.Close()
	return g.Dial("ws"+strings.TrimPrefix(web.URL, "http"), len(list))
}

func (g *gopackagePeer) Dial(url string, n int) error {
	if err := g.Close(); err != nil {
		return err
	}
	g.client = gopackage.NewClient(url, "http://localhost")
	g.c = g.client.CollectionByName("docs")
	if err := g.client.Connect(); err != nil {
		return err
	}
	if err := g.client.Sub("docs"); err != nil {
		return err
	}
	if got := len(g.c.FindAll()); got != n {
		return fmt.Errorf("%d documents, wants %d", got, n)
	}
	return nil
}

func (g *gopackagePeer) ByID(id string, take peer.Take) error {
	d := g.c.FindOne(id)
	if d == nil {
		return fmt.Errorf("%q is not there", id)
	}
	if take != nil {
		ts := d["ts"].(map[string]any)["$date"].(float64)
		likes := d["nested"].(map[string]any)["likes"].(float64)
		take(int(d["n"].(float64)), int64(ts), int(likes))
	}
	return nil
}
