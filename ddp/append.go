package ddp

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/replicad/replicad/ddp/ejson"
)

// Append writes m at the end of b, as one line of JSON, and returns the longer
// slice. It keeps nothing of b and does not change m. An empty document, an
// empty list of cleared fields, a missing result and other things that the protocol
// leaves out are left out; a Connect always has its list of versions, a Sub and a
// Method their parameters.
func Append(b []byte, m Message) []byte {
	switch m := m.(type) {
	case Added:
		b = appendDocument(b, `{"msg":"added","collection":`, m.Collection, m.ID)
		b = appendFields(b, m.Fields)
	case Changed:
		b = appendDocument(b, `{"msg":"changed","collection":`, m.Collection, m.ID)
		b = appendFields(b, m.Fields)
		if len(m.Cleared) > 0 {
			b = appendTexts(append(b, `,"cleared":`...), m.Cleared)
		}
	case Removed:
		b = appendDocument(b, `{"msg":"removed","collection":`, m.Collection, m.ID)
	case AddedBefore:
		b = appendDocument(b, `{"msg":"addedBefore","collection":`, m.Collection, m.ID)
		b = appendBefore(appendFields(b, m.Fields), m.Before)
	case MovedBefore:
		b = appendDocument(b, `{"msg":"movedBefore","collection":`, m.Collection, m.ID)
		b = appendBefore(b, m.Before)
	case Ready:
		b = appendTexts(append(b, `{"msg":"ready","subs":`...), m.Subs)
	case Updated:
		b = appendTexts(append(b, `{"msg":"updated","methods":`...), m.Methods)
	case Result:
		b = ejson.AppendString(append(b, `{"msg":"result","id":`...), m.ID)
		if m.Err != nil {
			b = appendError(append(b, `,"error":`...), m.Err)
		} else if !m.Value.IsMissing() {
			b = m.Value.AppendJSON(append(b, `,"result":`...))
		}
	case Nosub:
		b = appendOptional(append(b, `{"msg":"nosub"`...), `,"id":`, m.ID)
		if m.Err != nil {
			b = appendError(append(b, `,"error":`...), m.Err)
		}
	case Method:
		b = ejson.AppendString(append(b, `{"msg":"method","id":`...), m.ID)
		b = ejson.AppendString(append(b, `,"method":`...), m.Name)
		b = m.Params.Value().AppendJSON(append(b, `,"params":`...))
		b = appendOptional(b, `,"randomSeed":`, m.RandomSeed)
	case Sub:
		b = ejson.AppendString(append(b, `{"msg":"sub","id":`...), m.ID)
		b = ejson.AppendString(append(b, `,"name":`...), m.Name)
		b = m.Params.Value().AppendJSON(append(b, `,"params":`...))
	case Unsub:
		b = appendOptional(append(b, `{"msg":"unsub"`...), `,"id":`, m.ID)
	case Ping:
		b = appendOptional(append(b, `{"msg":"ping"`...), `,"id":`, m.ID)
	case Pong:
		b = appendOptional(append(b, `{"msg":"pong"`...), `,"id":`, m.ID)
	case Connect:
		b = ejson.AppendString(append(b, `{"msg":"connect","version":`...), m.Version)
		b = appendTexts(append(b, `,"support":`...), m.Support)
		b = appendOptional(b, `,"session":`, m.Session)
		if m.ReceivedCount > 0 {
			b = strconv.AppendInt(append(b, `,"receivedCount":`...), int64(m.ReceivedCount), 10)
		}
	case Connected:
		b = appendOptional(append(b, `{"msg":"connected"`...), `,"session":`, m.Session)
	case Failed:
		b = ejson.AppendString(append(b, `{"msg":"failed","version":`...), m.Version)
	case Disconnect:
		b = append(b, `{"msg":"disconnect"`...)
	case ErrorMessage:
		b = ejson.AppendString(append(b, `{"msg":"error","reason":`...), m.Reason)
		if m.Offending != nil {
			b = append(append(b, `,"offendingMessage":`...), m.Offending...)
		}
	case Unknown:
		return append(b, m.Raw...)
	}
	return append(b, '}')
}

func appendDocument(b []byte, head, collection string, id ejson.ID) []byte {
	b = ejson.AppendString(append(b, head...), collection)
	return id.AppendWireJSON(append(b, `,"id":`...))
}

func appendFields(b []byte, d ejson.Doc) []byte {
	if d.Len() == 0 {
		return b
	}
	return d.AppendFieldsJSON(append(b, `,"fields":`...))
}

func appendBefore(b []byte, id ejson.ID) []byte {
	b = append(b, `,"before":`...)
	if id.IsZero() {
		return append(b, "null"...)
	}
	return id.AppendWireJSON(b)
}

func appendOptional(b []byte, key, s string) []byte {
	if s == "" {
		return b
	}
	return ejson.AppendString(append(b, key...), s)
}

func appendTexts(b []byte, list []string) []byte {
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = ejson.AppendString(b, s)
	}
	return append(b, ']')
}

// appendError writes the keys in the order of Meteor's servers. Details that are no
// EJSON value are left out.
func appendError(b []byte, e *Error) []byte {
	b = append(b, '{')
	if e.ClientSafe {
		b = append(b, `"isClientSafe":true,`...)
	}
	b = append(b, `"error":`...)
	if n := []byte(e.Code); e.Numeric && isNumber(n) {
		b = append(b, n...)
	} else {
		b = ejson.AppendString(b, e.Code)
	}
	b = appendOptional(b, `,"reason":`, e.Reason)
	if e.Details != nil {
		if v, err := ejson.ValueOf(e.Details); err == nil {
			b = v.AppendPlainJSON(append(b, `,"details":`...))
		}
	}
	b = appendOptional(b, `,"message":`, e.Message)
	b = appendOptional(b, `,"errorType":`, e.Type)
	return append(b, '}')
}

// isNumber reports whether b is a number in JSON.
func isNumber(b []byte) bool {
	return len(b) > 0 && (b[0] == '-' || b[0] >= '0' && b[0] <= '9') && json.Valid(b)
}

// compact returns a copy of a JSON text without its spaces, and without bytes that are not
// UTF-8, with which a WebSocket must not send it back; nil for other text.
func compact(text []byte) []byte {
	var out bytes.Buffer
	if json.Compact(&out, text) != nil {
		return nil
	}
	return bytes.ToValidUTF8(out.Bytes(), []byte("\ufffd"))
}
