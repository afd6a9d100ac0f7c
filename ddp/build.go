package ddp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/replicad/replicad/ddp/ejson"
)

// message makes the message of the parts. frame is only for Unknown, which quotes
// it.
func (p *parts) message(frame []byte) (Message, error) {
	switch p.msg {
	case "added":
		id, err := p.document()
		if p.clear(); p.fields.IsZero() {
			p.fields = ejson.Make()
		}
		return Added{Collection: p.collection, ID: id, Fields: p.fields}, err
	case "changed":
		id, err := p.document()
		p.clear()
		return Changed{Collection: p.collection, ID: id, Fields: p.fields, Cleared: p.cleared}, err
	case "removed":
		id, err := p.document()
		return Removed{Collection: p.collection, ID: id}, err
	case "addedBefore":
		id, err := p.document()
		before, err2 := p.beforeID()
		if p.fields.IsZero() {
			p.fields = ejson.Make()
		}
		return AddedBefore{Collection: p.collection, ID: id, Fields: p.fields, Before: before}, errors.Join(err, err2)
	case "movedBefore":
		id, err := p.document()
		before, err2 := p.beforeID()
		return MovedBefore{Collection: p.collection, ID: id, Before: before}, errors.Join(err, err2)
	case "ready":
		return Ready{Subs: p.subs}, nil
	case "updated":
		if p.calls == nil && p.have&keyID != 0 {
			p.calls = []string{p.id}
		}
		return Updated{Methods: p.calls}, nil
	case "result":
		return Result{ID: p.id, Value: p.result, Err: p.err}, p.wantID()
	case "nosub":
		return Nosub{ID: p.id, Err: p.err}, nil
	case "method":
		return Method{ID: p.id, Name: p.method, Params: p.params, RandomSeed: p.seed}, p.wantCall(keyMethod)
	case "sub":
		return Sub{ID: p.id, Name: p.name, Params: p.params}, p.wantCall(keyName)
	case "unsub":
		return Unsub{ID: p.id}, nil
	case "ping":
		return Ping{ID: p.id}, nil
	case "pong":
		return Pong{ID: p.id}, nil
	case "connect":
		return Connect{Session: p.session, Version: p.version, Support: p.vers, ReceivedCount: p.count}, nil
	case "connected":
		return Connected{Session: p.session}, nil
	case "failed":
		return Failed{Version: p.version}, nil
	case "disconnect":
		return Disconnect{}, nil
	case "error":
		return ErrorMessage{Reason: p.reason, Offending: p.offending}, nil
	}
	return Unknown{Type: p.msg, Raw: bytes.Clone(frame)}, nil
}

// clear takes the fields away that are cleared as well, as Meteor's client does.
func (p *parts) clear() {
	for _, name := range p.cleared {
		if !p.fields.Field(name).IsMissing() {
			if p.fields = p.fields.Without(name); p.fields.Len() == 0 {
				p.fields = ejson.Doc{}
			}
		}
	}
}

// document returns the id of the document that a data message is about.
func (p *parts) document() (ejson.ID, error) {
	if p.have&(keyID|keyCollection) != keyID|keyCollection {
		return ejson.ID{}, errNotSaid
	}
	return ejson.ParseWireID(p.id)
}

func (p *parts) beforeID() (ejson.ID, error) {
	if p.have&keyBefore == 0 {
		return ejson.ID{}, nil
	}
	return ejson.ParseWireID(p.before)
}

func (p *parts) wantID() error {
	if p.have&keyID == 0 {
		return errNoID
	}
	return nil
}

// wantCall checks what a method or a sub must have: an id that is text, and a name.
func (p *parts) wantCall(name parkey) error {
	switch {
	case p.have&keyID == 0 || !p.idIsText:
		return errNoID
	case p.have&name == 0:
		return errNoName
	}
	return nil
}

// diagnose finds out about a frame that could not be read, at leisure: what a
// server should answer, and which call it was. Frames that only looked broken
// because an unknown message uses a known key otherwise are no errors.
func diagnose(frame []byte, cause error) (Message, error) {
	bad := &MalformedError{Reason: BadRequest, Err: cause}
	text := bytes.TrimLeft(frame, " \t\r\n")
	if !json.Valid(text) {
		return nil, bad
	}
	switch text[0] {
	case '{':
	case '[':
		return Unknown{Raw: bytes.Clone(frame)}, nil
	default:
		bad.Err = errNotObject
		return nil, bad
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, bad
	}
	text1 := func(key string) (s string, ok bool) {
		ok = len(raw[key]) > 0 && raw[key][0] == '"' && json.Unmarshal(raw[key], &s) == nil
		return s, ok
	}
	typ, _ := text1("msg")
	if !isKnown(typ) {
		return Unknown{Type: typ, Raw: bytes.Clone(frame)}, nil
	}
	if m, ok := reread(raw, typ); ok {
		return m, nil
	}
	bad.Type = typ
	bad.ID, _ = text1("id")
	bad.Offending = compact(text)
	var invalid error
	switch typ {
	case "method":
		bad.Reason = MalformedCall
		invalid = checkCall(raw, text1, "method")
	case "sub":
		bad.Reason = MalformedSub
		invalid = checkCall(raw, text1, "name")
	default:
		// Only what the ground could not read is a Parse error; what this package
		// misses makes a bad request.
		if isOurs(cause) {
			return nil, bad
		}
	}
	if invalid != nil {
		bad.Err = invalid
		return nil, bad
	}
	if !isOurs(cause) {
		bad.Reason, bad.Offending = ParseError, nil
	}
	return nil, bad
}

// keysOf are the keys of the messages in use. The others mean nothing there, whatever
// they mean elsewhere: clients add what they like.
var keysOf = map[string][]string{
	"added":     {"collection", "id", "fields"},
	"changed":   {"collection", "id", "fields", "cleared"},
	"removed":   {"collection", "id"},
	"ready":     {"subs"},
	"updated":   {"methods", "id"},
	"result":    {"id", "result", "error"},
	"nosub":     {"id", "error"},
	"method":    {"id", "method", "params", "randomSeed"},
	"sub":       {"id", "name", "params"},
	"unsub":     {"id"},
	"ping":      {"id"},
	"pong":      {"id"},
	"connect":   {"session", "version", "support", "receivedCount"},
	"connected": {"session"},
	"failed":    {"version"},
	"error":     {"reason", "offendingMessage"},
}

// reread reads a message again without the keys of other kinds of messages, if it has
// some.
func reread(raw map[string]json.RawMessage, typ string) (Message, bool) {
	keys, ok := keysOf[typ]
	if !ok {
		return nil, false
	}
	own := make(map[string]json.RawMessage)
	for key, value := range raw {
		if key == "msg" || slices.Contains(keys, key) {
			own[key] = value
		}
	}
	if len(own) == len(raw) {
		return nil, false
	}
	text, err := json.Marshal(own)
	if err != nil {
		return nil, false
	}
	m, err := new(Decoder).general(text)
	return m, err == nil
}

// checkCall returns what makes a method or a sub malformed; nil means that only its
// values could not be read.
func checkCall(raw map[string]json.RawMessage, text func(string) (string, bool), name string) error {
	if _, ok := text("id"); !ok {
		return errNoID
	}
	if _, ok := text(name); !ok {
		return errNoName
	}
	if p, ok := raw["params"]; ok && (len(p) == 0 || p[0] != '[') {
		return fmt.Errorf("params %w", errNotList)
	}
	if _, ok := raw["randomSeed"]; ok && name == "method" {
		if _, ok := text("randomSeed"); !ok {
			return fmt.Errorf("randomSeed %w", errNotText)
		}
	}
	return nil
}

var errNotList = errors.New("wants a list")

// isOurs reports whether err is about the message and not about its values.
func isOurs(err error) bool {
	for _, ours := range []error{errNotText, errNotTexts, errNoID, errNoName, errNotSaid} {
		if errors.Is(err, ours) {
			return true
		}
	}
	return false
}

func isKnown(typ string) bool {
	m, _ := (&parts{msg: typ}).message(nil)
	_, unknown := m.(Unknown)
	return !unknown
}
