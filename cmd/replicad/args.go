package main

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/replicad/replicad/ddp/ejson"
)

// parseSelector reads a selector from the command line: an object, or else the id of one
// document. What looks like an ObjectID in hex is the id of either kind. No argument
// selects everything.
func parseSelector(arg string) (any, error) {
	text := strings.TrimSpace(arg)
	if text == "" {
		return nil, nil
	}
	if strings.HasPrefix(text, "[") {
		return nil, usagef("selector: wants an object, or the id of a document, got a list: %s", text)
	}
	if !strings.HasPrefix(text, "{") {
		if oid, err := ejson.ParseObjectID(text); err == nil {
			return ejson.From(map[string]any{"_id": map[string]any{"$in": []any{text, oid}}})
		}
		return ejson.StringID(text), nil
	}
	doc, err := parseDoc([]byte(text))
	if err != nil {
		return nil, usagef("selector: %w", err)
	}
	return doc, nil
}

// parseParams reads the params of a method or publication: an EJSON array, or
// several arguments of which each is one param. What is no JSON is a string, so
// that ids need no second pair of quotes.
func parseParams(args []string) (ejson.Array, error) {
	if len(args) == 1 && strings.HasPrefix(strings.TrimSpace(args[0]), "[") {
		v, err := parseValue([]byte(args[0]))
		if err != nil {
			return ejson.Array{}, usagef("params: %w", err)
		}
		return v.Array(), nil
	}
	values := make([]ejson.Value, len(args))
	for i, arg := range args {
		v, err := parseValue([]byte(arg))
		switch {
		case err == nil:
			values[i] = v
		case strings.ContainsAny(arg[:min(1, len(arg))], `{["`):
			return ejson.Array{}, usagef("param %d: %w", i+1, err)
		default:
			values[i] = ejson.StringValue(arg)
		}
	}
	return ejson.ArrayOf(values...), nil
}

// subscription is one --sub: a publication and its params.
type subscription struct {
	name   string
	params ejson.Array
}

// String writes it as it is given.
func (s subscription) String() string {
	if s.params.Len() == 0 {
		return s.name
	}
	return s.name + ":" + s.params.String()
}

// same reports whether both ask for the same.
func (s subscription) same(other subscription) bool {
	return s.name == other.name && s.params.Same(other.params)
}

// parseSub reads NAME or NAME:JSON-PARAMS. A name may hold colons itself: the
// params begin at the first colon before an opening bracket.
func parseSub(arg string) (subscription, error) {
	name, params := arg, "[]"
	if i := strings.Index(arg, ":["); i >= 0 {
		name, params = arg[:i], arg[i+1:]
	}
	if name == "" {
		return subscription{}, usagef("--sub %q: wants NAME or NAME:[PARAMS], got no name", arg)
	}
	v, err := parseValue([]byte(params))
	if err != nil {
		return subscription{}, usagef("--sub %q: %w", arg, err)
	}
	return subscription{name: name, params: v.Array()}, nil
}

// indexSpec is one --index: a collection and the keys of an index on it.
type indexSpec struct {
	collection string
	keys       []string
}

// parseIndex reads COLL:KEY[,KEY…], each key with "-" before it to descend.
func parseIndex(arg string) (indexSpec, error) {
	coll, keys, ok := cutLast(arg, ":")
	if !ok || coll == "" || keys == "" {
		return indexSpec{}, usagef("--index %q: wants COLL:KEY[,KEY…], such as tasks:room,-at", arg)
	}
	if err := checkCollection(coll); err != nil {
		return indexSpec{}, usageError{fmt.Errorf("--index %q: %w", arg, err)}
	}
	return indexSpec{collection: coll, keys: splitList(keys)}, nil
}

// loadSpec is one --load: a collection and the file of JSON lines to fill it.
type loadSpec struct{ collection, file string }

// parseLoad reads COLL=FILE.
func parseLoad(arg string) (loadSpec, error) {
	coll, file, ok := strings.Cut(arg, "=")
	if !ok || coll == "" || file == "" {
		return loadSpec{}, usagef("--load %q: wants COLL=FILE.jsonl", arg)
	}
	if err := checkCollection(coll); err != nil {
		return loadSpec{}, usageError{fmt.Errorf("--load %q: %w", arg, err)}
	}
	return loadSpec{collection: coll, file: file}, nil
}

// parseEach applies parse to each argument and ends at the first fault.
func parseEach[T any](args []string, parse func(string) (T, error)) ([]T, error) {
	out := make([]T, len(args))
	for i, arg := range args {
		v, err := parse(arg)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

// splitList splits a list at its commas and drops blanks.
func splitList(s string) []string {
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// cutLast is strings.Cut at the last separator.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// listen listens on the address of --listen.
func listen(addr string) (net.Listener, error) {
	if _, port, err := net.SplitHostPort(addr); err != nil {
		return nil, usagef("--listen %q: wants HOST:PORT, such as 127.0.0.1:3000", addr)
	} else if _, err := net.LookupPort("tcp", port); err != nil {
		return nil, usagef("--listen %q: %q is no port", addr, port)
	}
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("--listen %s: another process listens there; stop it, or choose another address (port 0 takes any that is free)", addr)
	}
	if err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	return l, nil
}

// checkLoopback refuses an address that other machines can reach.
func checkLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return usagef("--listen %q: wants HOST:PORT, such as 127.0.0.1:7357", addr)
	}
	if !isLoopback(host) {
		return usagef("--listen %q: the local API has no authentication and listens on loopback only; use 127.0.0.1", addr)
	}
	return nil
}

// isLoopback reports whether a host, as in a URL, is this machine alone.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}
