package accounts

import (
	"strings"
	"testing"
	"time"

	"github.com/replicad/replicad/ddp/server"
)

// TestArgon2 compares hashes of the reference implementation, and takes broken ones for
// hashes of nothing.
func TestArgon2(t *testing.T) {
	a := new(Accounts)
	const good = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	for _, stored := range []string{good,
		"$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8",
	} {
		if !a.matches(stored, "password") || a.matches(stored, "passwore") || a.matches(stored, "") {
			t.Error(stored)
		}
	}
	for _, change := range [][2]string{
		{"argon2id", "argon2d"}, {"argon2id", "argon2"}, {"v=19", "v=16"}, {"m=256", "m=4294967295"}, {"m=256", "m=x"},
		{"t=2", "t=0"}, {"t=2", "t=4294967295"}, {"p=1", "p=0"}, {"p=1", "p=256"}, {"$c29", "$!"}, {"$nf65", "$"},
		{"$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "$"}, {"$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", ""},
	} {
		if stored := strings.Replace(good, change[0], change[1], 1); a.matches(stored, "password") {
			t.Error(stored)
		}
	}
}

// TestBindings: who logs in and out for ever leaves nothing behind, and asks to be told of
// the session's end once.
func TestBindings(t *testing.T) {
	srv := new(server.Server)
	a := New(srv, new(Memory), Options{Cost: 4})
	s := new(server.Session)
	for i := range 10 {
		before := len(a.bound)
		a.bind(s, "u", Token{Hash: string(rune('a' + i)), When: time.Now()})
		if b, ok := a.binding(s); !ok || b.user != "u" || len(a.tokens) != 1 || i > 0 && before != 1 {
			t.Fatal(b, ok, len(a.tokens), before)
		}
		if i%2 == 0 {
			a.unbind(s)
			if b, ok := a.binding(s); ok || len(a.tokens) != 0 {
				t.Fatal(b, len(a.tokens))
			}
		}
	}
	a.unbind(s)
}
