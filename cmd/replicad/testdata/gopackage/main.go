// Command gopackage speaks to `replicad serve` with github.com/gopackage/ddp, and
// prints what it saw.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/gopackage/ddp"
)

// patience bounds the wait for a change that no call announces.
const patience = 10 * time.Second

func main() {
	client := ddp.NewClient("ws://"+os.Args[1]+"/websocket", "http://"+os.Args[1])
	defer client.Close()
	must(client.Connect())
	must(client.Sub("fruit"))
	fmt.Println("documents", len(client.CollectionByName("fruit").FindAll()))
	id, err := client.Call("/fruit/insert", map[string]any{"_id": "g", "name": "grape"})
	must(err)
	fmt.Println("inserted", id)
	for end := time.Now().Add(patience); client.CollectionByName("fruit").FindOne("g") == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			must(fmt.Errorf("no change within %v", patience))
		}
	}
	fmt.Println("name", client.CollectionByName("fruit").FindOne("g")["name"])
	_, err = client.Call("nosuch")
	fmt.Println("refused", err != nil)
	_, err = client.Call("/fruit/remove", "g")
	must(err)
}

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
