package ddp

import (
	"bytes"
	"errors"
	"strconv"
	"sync"

	"github.com/replicad/replicad/ddp/ejson"
)

// Decode reads one message. It keeps nothing of b. Every error is a
// *MalformedError.
func Decode(b []byte) (Message, error) {
	d := decoders.Get().(*Decoder)
	defer decoders.Put(d)
	return d.Decode(b)
}

var decoders = sync.Pool{New: func() any { return new(Decoder) }}

// Decoder reads the messages of one connection. It remembers the names that keep
// coming (of collections, fields, methods), so that each is allocated once. The zero
// Decoder is ready; one Decoder must not be used by two goroutines at once. Its fields
// are set before it is used.
type Decoder struct {
	// Whole puts the _id before the Fields of an Added: they are the whole document,
	// as Fields.WithID(ID) would make it, at no more than the price of the fields.
	// The ID shares memory with them, then.
	Whole bool

	// Arena, where it is set, takes the documents and lists of the messages; see
	// [ejson.Arena] for what that saves, and for what it keeps alive.
	Arena *ejson.Arena

	in    ejson.Decoder
	names names
	p     parts
}

// Decode is like the function Decode.
func (d *Decoder) Decode(b []byte) (Message, error) {
	if d.in.Arena != d.Arena {
		d.in.Arena = d.Arena
	}
	if m, ok := d.fast(b); ok {
		return m, nil
	}
	m, err := d.general(b)
	if err != nil {
		m, err = diagnose(b, err)
	}
	if a, ok := m.(Added); ok && d.Whole {
		a.Fields = a.Fields.WithID(a.ID)
		return a, err
	}
	return m, err
}

// general reads any message.
func (d *Decoder) general(b []byte) (Message, error) {
	d.p = parts{}
	d.in.Reset(b)
	if err := d.read(); err != nil {
		return nil, err
	}
	return d.p.message(b)
}

// parts is what the keys of a message held, whatever its kind: a key means the same
// in every message that has it, so the kind need not be known before.
type parts struct {
	have                       parkey // keys that came and had the right type
	msg                        string
	id                         string
	collection, name, method   string
	session, version           string
	reason, seed               string
	before                     string
	idIsText                   bool
	count                      int
	fields                     ejson.Doc
	params                     ejson.Array
	result                     ejson.Value
	err                        *Error
	cleared, subs, calls, vers []string
	offending                  []byte
}

// parkey is a set of keys.
type parkey uint16

const (
	keyID parkey = 1 << iota
	keyCollection
	keyName
	keyMethod
	keyBefore
)

// read fills the parts from the text, in one pass.
func (d *Decoder) read() error {
	if err := d.in.BeginObject(); err != nil {
		return err
	}
	for {
		key, ok, err := d.in.NextKey()
		if err != nil {
			return err
		}
		if !ok {
			return d.in.End()
		}
		if err := d.value(key); err != nil {
			return err
		}
	}
}

var (
	errNotText   = errors.New("wants text")
	errNotTexts  = errors.New("wants a list of text")
	errNoID      = errors.New("wants an id")
	errNoName    = errors.New("wants a name")
	errNotSaid   = errors.New("does not say which collection and document")
	errNotObject = errors.New("wants a JSON object")
)

// value reads the value of one key. What is not text where text is wanted is an
// error, but for keys where peers are known to differ.
func (d *Decoder) value(key []byte) (err error) {
	p := &d.p
	switch string(key) {
	case "msg":
		var raw []byte
		p.msg = ""
		if raw, err = d.in.Skip(); err == nil && raw[0] == '"' {
			p.msg, err = d.known(raw)
		}
	case "collection":
		p.collection, err = d.text(keyCollection)
	case "id":
		err = d.id()
	case "fields":
		if p.fields = (ejson.Doc{}); !d.null() {
			p.fields, err = d.in.DocValue()
		}
	case "cleared":
		p.cleared, err = d.texts()
		for i, name := range p.cleared {
			p.cleared[i] = d.names.of([]byte(name))
		}
	case "subs":
		p.subs, err = d.texts()
	case "methods":
		p.calls, err = d.texts()
	case "result":
		p.result, err = d.in.Value()
	case "error":
		var raw []byte
		if raw, err = d.in.Skip(); err == nil {
			p.err, err = decodeError(raw)
		}
	case "method":
		p.method, err = d.text(keyMethod)
	case "name":
		p.name, err = d.text(keyName)
	case "params":
		p.params, err = d.in.ArrayValue()
	case "randomSeed":
		p.seed, err = d.text(0)
	case "before":
		err = d.before()
	case "session":
		p.session, err = d.lenient()
	case "version":
		p.version, err = d.lenient()
	case "support":
		var raw []byte
		if raw, err = d.in.Skip(); err == nil {
			p.vers = lenientTexts(raw)
		}
	case "receivedCount":
		var raw []byte
		if raw, err = d.in.Skip(); err == nil {
			p.count, _ = strconv.Atoi(string(raw))
		}
	case "reason":
		p.reason, err = d.lenient()
	case "offendingMessage":
		var raw []byte
		if raw, err = d.in.Skip(); err == nil {
			p.offending = bytes.Clone(raw)
		}
	default:
		_, err = d.in.Skip()
	}
	return err
}

// text reads text that is likely to come again, and notes that the key came.
func (d *Decoder) text(key parkey) (string, error) {
	raw, err := d.in.Skip()
	if err != nil {
		return "", err
	}
	if raw[0] != '"' {
		return "", errNotText
	}
	d.p.have |= key
	return d.known(raw)
}

// null reads null, if that is what comes.
func (d *Decoder) null() bool {
	if d.in.Kind() != ejson.Null {
		return false
	}
	_, err := d.in.Skip()
	return err == nil
}

// id reads an id: text, or from some servers a number.
func (d *Decoder) id() error {
	d.p.id, d.p.idIsText = "", false
	d.p.have &^= keyID
	raw, err := d.in.Skip()
	if err != nil {
		return err
	}
	switch c := raw[0]; {
	case c == '"':
		d.p.id, err = unquote(raw)
		d.p.idIsText = true
	case c == '-' || c >= '0' && c <= '9':
		d.p.id = string(raw)
	default:
		return nil
	}
	d.p.have |= keyID
	return err
}

func (d *Decoder) before() error {
	raw, err := d.in.Skip()
	if err != nil || string(raw) == "null" {
		return err
	}
	if raw[0] != '"' {
		return errNotText
	}
	d.p.have |= keyBefore
	d.p.before, err = unquote(raw)
	return err
}

// lenient reads text, and takes anything else for "".
func (d *Decoder) lenient() (string, error) {
	raw, err := d.in.Skip()
	if err != nil || raw[0] != '"' {
		return "", err
	}
	return unquote(raw)
}

// texts reads a list of text, or null for none.
func (d *Decoder) texts() ([]string, error) {
	if d.null() {
		return nil, nil
	}
	a, err := d.in.ArrayValue()
	if err != nil {
		return nil, err
	}
	list := make([]string, 0, a.Len())
	for _, v := range a.All() {
		if v.Kind() != ejson.String {
			return nil, errNotTexts
		}
		list = append(list, v.Str())
	}
	return list, nil
}

// known returns the text of a JSON string, from memory if it came before.
func (d *Decoder) known(raw []byte) (string, error) {
	if bytes.IndexByte(raw, '\\') >= 0 {
		return unquote(raw)
	}
	return d.names.of(raw[1 : len(raw)-1]), nil
}

// unquote returns the text of a JSON string.
func unquote(raw []byte) (string, error) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), nil
	}
	var in ejson.Decoder
	in.Reset(raw)
	return in.StringValue()
}

// lenientTexts reads a list of text, and takes anything else for nil.
func lenientTexts(raw []byte) []string {
	v, err := ejson.ParseValue(raw)
	if err != nil || v.Kind() != ejson.List {
		return nil
	}
	list := []string{}
	for _, e := range v.Array().All() {
		if e.Kind() != ejson.String {
			return nil
		}
		list = append(list, e.Str())
	}
	return list
}

// decodeError reads what came under "error": an object, or from some servers only
// its code or reason. null is no error.
func decodeError(raw []byte) (*Error, error) {
	var in ejson.Decoder
	in.Reset(raw)
	v, err := in.PlainValue()
	if err != nil {
		return nil, err
	}
	e := new(Error)
	switch v.Kind() {
	case ejson.Null:
		return nil, nil
	case ejson.Object:
		d := v.Doc()
		e.setCode(d.Field("error"))
		e.Reason = d.Field("reason").Str()
		e.Message = d.Field("message").Str()
		e.Type = d.Field("errorType").Str()
		e.ClientSafe = d.Field("isClientSafe").Bool()
		if v := d.Field("details"); v.Kind() > ejson.Null {
			e.Details = v.Any()
		}
	case ejson.String:
		e.Code, e.Reason = v.Str(), v.Str()
	default:
		e.setCode(v)
	}
	return e, nil
}

func (e *Error) setCode(v ejson.Value) {
	switch v.Kind() {
	case ejson.Missing:
	case ejson.String:
		e.Code = v.Str()
	default:
		e.Code = string(v.AppendJSON(nil))
		e.Numeric = v.Kind() == ejson.Number
	}
}
