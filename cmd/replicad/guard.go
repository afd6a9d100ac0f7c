package main

import (
	"fmt"
	"slices"
	"strings"
)

// What is not for everybody. The replica keeps its own books in collections of its
// store: among them are the login's token and the id of the session, and who has one
// of these can speak in the user's name. So no query, no subscription and no index
// reaches them; what people need of them has commands of its own.

// isSystem reports whether a collection is bookkeeping.
func isSystem(collection string) bool {
	return strings.HasPrefix(collection, "sync.") || strings.HasPrefix(collection, "system.") || strings.HasPrefix(collection, "replicad.")
}

// checkCollection refuses the name of a collection that is bookkeeping, and says
// which command tells what may be told of it.
func checkCollection(name string) error {
	if !isSystem(name) {
		return nil
	}
	instead := "replicad status"
	switch {
	case name == "sync.outbox":
		instead = "replicad outbox list"
	case name == "system.indexes":
		instead = "replicad index COLL"
	}
	return usagef("collection %q is bookkeeping, and may hold secrets: see '%s' instead", name, instead)
}

// checkCollections is checkCollection of many; what names the flag that they are from.
func checkCollections(what string, names []string) error {
	for _, name := range names {
		if err := checkCollection(name); err != nil {
			return usageError{fmt.Errorf("%s: %w", what, err)}
		}
	}
	return nil
}

// loginMethods change who a connection belongs to, or answer with a token. Called
// past the replica, which logs in by itself, they would have it work in another's name
// than it thinks, or hand its token to whoever can reach the local API.
var loginMethods = []string{"login", "logout", "getNewToken", "createUser", "resetPassword", "verifyEmail"}

// checkMethod refuses a method that is not to be called through the daemon.
func checkMethod(name string) error {
	if slices.Contains(loginMethods, name) {
		return usagef("method %q is about who is logged in, which is the daemon's own: see 'replicad login' and 'replicad logout', or call the server with --url", name)
	}
	return nil
}
