package ddp

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
)

func params(xs ...any) (a ejson.Array) {
	if len(xs) > 0 {
		a = ejson.MakeArray(xs...)
	}
	return a
}

func fields(text string) ejson.Doc {
	d, err := ejson.Parse([]byte(text))
	if err != nil {
		panic(err)
	}
	return d
}

// TestCodec reads every kind of message from text, and writes it. Where the text that
// is written differs from what was read, it stands behind the arrow.
func TestCodec(t *testing.T) {
	oid, _ := ejson.ParseObjectID("0123456789abcdef01234567")
	for _, c := range []struct {
		text string
		want Message
	}{
		{`{"msg":"connect","version":"1","support":["1","pre2"]}`,
			Connect{Version: "1", Support: []string{"1", "pre2"}}},
		{`{"msg":"connect","version":"1","support":["1"],"session":"s","receivedCount":7}`,
			Connect{Version: "1", Support: []string{"1"}, Session: "s", ReceivedCount: 7}},
		{`{"msg":"connect"} → {"msg":"connect","version":"","support":[]}`, Connect{}},
		{`{"msg":"connect","version":1,"support":"1","session":5,"receivedCount":"x"} → {"msg":"connect","version":"","support":[]}`, Connect{}},
		{`{"msg":"connect","version":"1","support":[1,"1"]} → {"msg":"connect","version":"1","support":[]}`, Connect{Version: "1"}},
		{`{"msg":"connected","session":"abc"}`, Connected{Session: "abc"}},
		{`{"msg":"connected"}`, Connected{}},
		{`{"session_id":"x","msg":"connected"} → {"msg":"connected"}`, Connected{}},
		{`{"msg":"failed","version":"pre1"}`, Failed{Version: "pre1"}},
		{`{"msg":"disconnect"}`, Disconnect{}},
		{`{"msg":"ping"}`, Ping{}},
		{`{"msg":"ping","id":"p1"}`, Ping{ID: "p1"}},
		{`{"msg":"pong"}`, Pong{}},
		{`{"msg":"pong","id":"p1"}`, Pong{ID: "p1"}},
		{`{"msg":"sub","id":"1","name":"items","params":[1,"a"]}`, Sub{ID: "1", Name: "items", Params: params(1, "a")}},
		{`{"msg":"sub","id":"1","name":"items"} → {"msg":"sub","id":"1","name":"items","params":[]}`, Sub{ID: "1", Name: "items"}},
		{`{"msg":"unsub","id":"1"}`, Unsub{ID: "1"}},
		{`{"msg":"unsub"}`, Unsub{}},
		{`{"msg":"nosub","id":"1"}`, Nosub{ID: "1"}},
		{`{"msg":"nosub","id":"1","error":{"error":404,"reason":"none"}}`,
			Nosub{ID: "1", Err: &Error{Code: "404", Numeric: true, Reason: "none"}}},
		{`{"msg":"added","collection":"c","id":"x","fields":{"a":1,"b":{"$date":5}}}`,
			Added{Collection: "c", ID: ejson.StringID("x"), Fields: fields(`{"a":1,"b":{"$date":5}}`)}},
		{`{"msg":"added","collection":"c","id":"x"}`,
			Added{Collection: "c", ID: ejson.StringID("x"), Fields: ejson.Make()}},
		{`{"msg":"added","collection":"c","id":"x","cleared":["p"]} → {"msg":"added","collection":"c","id":"x"}`,
			Added{Collection: "c", ID: ejson.StringID("x"), Fields: ejson.Make()}},
		{`{"fields":{"a":1},"id":"x","zzz":[{}],"collection":"c","msg":"added"} → {"msg":"added","collection":"c","id":"x","fields":{"a":1}}`,
			Added{Collection: "c", ID: ejson.StringID("x"), Fields: fields(`{"a":1}`)}},
		{`{"msg":"added","collection":"c","id":5} → {"msg":"added","collection":"c","id":"5"}`,
			Added{Collection: "c", ID: ejson.StringID("5"), Fields: ejson.Make()}},
		{`{"msg":"changed","collection":"c","id":"0123456789abcdef01234567","fields":{"a":null},"cleared":["x","y"]}`,
			Changed{Collection: "c", ID: oid.ID(), Fields: fields(`{"a":null}`), Cleared: []string{"x", "y"}}},
		{`{"msg":"changed","collection":"c","id":"--x","cleared":["x"]}`,
			Changed{Collection: "c", ID: ejson.StringID("-x"), Cleared: []string{"x"}}},
		{`{"msg":"changed","collection":"c","id":"x","fields":{"a":1,"b":2},"cleared":["a","z"]} → {"msg":"changed","collection":"c","id":"x","fields":{"b":2},"cleared":["a","z"]}`,
			Changed{Collection: "c", ID: ejson.StringID("x"), Fields: fields(`{"b":2}`), Cleared: []string{"a", "z"}}},
		{`{"msg":"changed","collection":"c","id":"x","cleared":["a"],"fields":{"a":1}} → {"msg":"changed","collection":"c","id":"x","cleared":["a"]}`,
			Changed{Collection: "c", ID: ejson.StringID("x"), Cleared: []string{"a"}}},
		{`{"msg":"added","collection":"c","id":"x","cleared":["a"],"fields":{"a":1}} → {"msg":"added","collection":"c","id":"x"}`,
			Added{Collection: "c", ID: ejson.StringID("x"), Fields: ejson.Make()}},
		// What servers of other languages write for nothing.
		{`{"msg":"added","collection":"c","id":"x","fields":null,"cleared":null} → {"msg":"added","collection":"c","id":"x"}`,
			Added{Collection: "c", ID: ejson.StringID("x"), Fields: ejson.Make()}},
		{`{"msg":"changed","collection":"c","id":"x","fields":null,"cleared":["a"]} → {"msg":"changed","collection":"c","id":"x","cleared":["a"]}`,
			Changed{Collection: "c", ID: ejson.StringID("x"), Cleared: []string{"a"}}},
		{`{"msg":"changed","collection":"c","id":"x","fields":{"a":1},"fields":null} → {"msg":"changed","collection":"c","id":"x"}`,
			Changed{Collection: "c", ID: ejson.StringID("x")}},
		{`{"msg":"ready","subs":null} → {"msg":"ready","subs":[]}`, Ready{}},
		{`{"msg":"updated","methods":null} → {"msg":"updated","methods":[]}`, Updated{}},
		{`{"msg":"updated","methods":null,"id":"9"} → {"msg":"updated","methods":["9"]}`, Updated{Methods: []string{"9"}}},
		// Keys of other messages mean nothing in this one.
		{`{"msg":"method","id":"1","method":"a<b","params":[{"$date":5}],"name":5,"fields":[],"collection":null,"subs":1} → {"msg":"method","id":"1","method":"a<b","params":[{"$date":5}]}`,
			Method{ID: "1", Name: "a<b", Params: params(time.UnixMilli(5))}},
		{`{"msg":"sub","id":"1","name":"n","params":[],"randomSeed":5,"method":{},"result":{"$binary":1}} → {"msg":"sub","id":"1","name":"n","params":[]}`,
			Sub{ID: "1", Name: "n", Params: params()}},
		{`{"msg":"added","collection":"c","id":"x","fields":{"a":1},"name":7} → {"msg":"added","collection":"c","id":"x","fields":{"a":1}}`,
			Added{Collection: "c", ID: ejson.StringID("x"), Fields: fields(`{"a":1}`)}},
		{`{"msg":"connect","version":"1","support":["1"],"fields":0,"name":null} → {"msg":"connect","version":"1","support":["1"]}`,
			Connect{Version: "1", Support: []string{"1"}}},
		{`{"msg":"removed","collection":"c","id":"x"}`, Removed{Collection: "c", ID: ejson.StringID("x")}},
		{`{"msg":"addedBefore","collection":"c","id":"x","fields":{"a":1},"before":"y"}`,
			AddedBefore{Collection: "c", ID: ejson.StringID("x"), Fields: fields(`{"a":1}`), Before: ejson.StringID("y")}},
		{`{"msg":"addedBefore","collection":"c","id":"x","before":null}`,
			AddedBefore{Collection: "c", ID: ejson.StringID("x"), Fields: ejson.Make()}},
		{`{"msg":"movedBefore","collection":"c","id":"x","before":"y"}`,
			MovedBefore{Collection: "c", ID: ejson.StringID("x"), Before: ejson.StringID("y")}},
		{`{"msg":"ready","subs":["1","2"]}`, Ready{Subs: []string{"1", "2"}}},
		{`{"msg":"ready"} → {"msg":"ready","subs":[]}`, Ready{}},
		{`{"msg":"updated","methods":["1"]}`, Updated{Methods: []string{"1"}}},
		{`{"msg":"updated"} → {"msg":"updated","methods":[]}`, Updated{}},
		{`{"msg":"updated","id":"9"} → {"msg":"updated","methods":["9"]}`, Updated{Methods: []string{"9"}}},
		{`{"msg":"method","id":"1","method":"m","params":[],"randomSeed":"abc"}`,
			Method{ID: "1", Name: "m", Params: params(), RandomSeed: "abc"}},
		{`{"msg":"method","method":"m","params":[],"id":"1","randomSeed":""} → {"msg":"method","id":"1","method":"m","params":[]}`,
			Method{ID: "1", Name: "m", Params: params()}},
		{`{"msg":"result","id":"1"}`, Result{ID: "1"}},
		{`{"msg":"result","id":"1","result":null}`, Result{ID: "1", Value: ejson.NullValue()}},
		{`{"msg":"result","id":"1","result":[1]}`, Result{ID: "1", Value: params(1).Value()}},
		{`{"msg":"result","id":1,"result":true} → {"msg":"result","id":"1","result":true}`, Result{ID: "1", Value: ejson.BoolValue(true)}},
		{`{"msg":"result","id":"1","error":null,"result":2} → {"msg":"result","id":"1","result":2}`, Result{ID: "1", Value: ejson.NumberValue(2)}},
		{`{"msg":"result","id":"1","error":{"isClientSafe":true,"error":"no","reason":"r","details":{"$date":1},"message":"r [no]","errorType":"Meteor.Error"}}`,
			Result{ID: "1", Err: &Error{Code: "no", Reason: "r", Details: detail(`{"$date":1}`), Message: "r [no]", Type: "Meteor.Error", ClientSafe: true}}},
		{`{"msg":"result","id":"1","error":"boom"} → {"msg":"result","id":"1","error":{"error":"boom","reason":"boom"}}`,
			Result{ID: "1", Err: &Error{Code: "boom", Reason: "boom"}}},
		{`{"msg":"result","id":"1","error":500} → {"msg":"result","id":"1","error":{"error":500}}`,
			Result{ID: "1", Err: &Error{Code: "500", Numeric: true}}},
		{`{"msg":"error","reason":"Bad request"}`, ErrorMessage{Reason: "Bad request"}},
		{`{"msg":"error","reason":"Bad request","offendingMessage":[{"msg":"ping"}]}`,
			ErrorMessage{Reason: "Bad request", Offending: []byte(`[{"msg":"ping"}]`)}},
		{`{"server_id":"0"}`, Unknown{Raw: []byte(`{"server_id":"0"}`)}},
		{`{"error":"x","fields":5}`, Unknown{Raw: []byte(`{"error":"x","fields":5}`)}},
		{`{"msg":"bogus","id":{},"fields":7}`, Unknown{Type: "bogus", Raw: []byte(`{"msg":"bogus","id":{},"fields":7}`)}},
		{`{"msg":5}`, Unknown{Raw: []byte(`{"msg":5}`)}},
		{`{"msg":null}`, Unknown{Raw: []byte(`{"msg":null}`)}},
		{`{"msg":"ping","msg":5}`, Unknown{Raw: []byte(`{"msg":"ping","msg":5}`)}},
		{`[{"msg":"ping"}]`, Unknown{Raw: []byte(`[{"msg":"ping"}]`)}},
		{`{"msg":"p\u0069ng","\u0069d":"\ud83d\ude00\n"} → {"msg":"ping","id":"😀\n"}`, Ping{ID: "😀\n"}},
		{`{"msg":"bogus","msg":"ping","id":"a","id":"b"} → {"msg":"ping","id":"b"}`, Ping{ID: "b"}},
		{` { "msg" : "ping" } → {"msg":"ping"}`, Ping{}},
	} {
		text, written, other := strings.Cut(c.text, " → ")
		if !other {
			written = text
		}
		frame := []byte(text)
		m, err := Decode(frame)
		for i := range frame {
			frame[i] = 'X'
		}
		if err != nil || !same(m, c.want) {
			t.Errorf("%s: %#v, %v", text, m, err)
			continue
		}
		if got := string(Append([]byte("…"), m)); got != "…"+written {
			t.Errorf("%s was written as %s", text, got)
		}
		if _, unknown := m.(Unknown); !unknown && !strings.Contains(written, `"msg":"`+Kind(m)+`"`) {
			t.Errorf("%s: kind %q", text, Kind(m))
		}
	}
}

func detail(text string) any {
	var in ejson.Decoder
	in.Reset([]byte(text))
	v, err := in.PlainValue()
	if err != nil {
		panic(err)
	}
	return v.Any()
}

// same compares messages; empty and absent lists and documents are the same.
func same(a, b Message) bool {
	if reflect.DeepEqual(a, b) {
		return true
	}
	return reflect.TypeOf(a) == reflect.TypeOf(b) && string(Append(nil, a)) == string(Append(nil, b))
}

func TestMalformed(t *testing.T) {
	deep := strings.Repeat("[", 300) + strings.Repeat("]", 300)
	for _, c := range []struct {
		text           string
		reason, answer string
		typ, id        string
	}{
		{"", BadRequest, `{"msg":"error","reason":"Bad request"}`, "", ""},
		{"not json", BadRequest, `{"msg":"error","reason":"Bad request"}`, "", ""},
		{"{", BadRequest, `{"msg":"error","reason":"Bad request"}`, "", ""},
		{`{"msg":"ping"} {`, BadRequest, `{"msg":"error","reason":"Bad request"}`, "", ""},
		{`{"msg":"ping"`, BadRequest, `{"msg":"error","reason":"Bad request"}`, "", ""},
		{"5", BadRequest, `{"msg":"error","reason":"Bad request"}`, "", ""},
		{`"ping"`, BadRequest, `{"msg":"error","reason":"Bad request"}`, "", ""},
		{"null", BadRequest, `{"msg":"error","reason":"Bad request"}`, "", ""},
		{`{"msg":"method", "method":"echo","params":[]}`, MalformedCall,
			`{"msg":"error","reason":"Malformed method invocation","offendingMessage":{"msg":"method","method":"echo","params":[]}}`, "method", ""},
		{`{"msg":"method","id":"7","method":5}`, MalformedCall,
			`{"msg":"error","reason":"Malformed method invocation","offendingMessage":{"msg":"method","id":"7","method":5}}`, "method", "7"},
		{`{"msg":"method","id":"7","method":"m","params":null}`, MalformedCall,
			`{"msg":"error","reason":"Malformed method invocation","offendingMessage":{"msg":"method","id":"7","method":"m","params":null}}`, "method", "7"},
		{`{"msg":"method","params":[{"$binary":5}],"id":"8","method":"m"}`, ParseError,
			`{"msg":"error","reason":"Parse error"}`, "method", "8"},
		{`{"msg":"method","params":` + deep + `,"id":"9","method":"m"}`, ParseError,
			`{"msg":"error","reason":"Parse error"}`, "method", "9"},
		{`{"msg":"sub","id":7,"name":"n"}`, MalformedSub,
			`{"msg":"error","reason":"Malformed subscription","offendingMessage":{"msg":"sub","id":7,"name":"n"}}`, "sub", ""},
		{`{"msg":"sub","id":"1","name":"n","params":{}}`, MalformedSub,
			`{"msg":"error","reason":"Malformed subscription","offendingMessage":{"msg":"sub","id":"1","name":"n","params":{}}}`, "sub", "1"},
		{"{\"msg\":\"added\",\"id\":\"\xff\"}", BadRequest,
			`{"msg":"error","reason":"Bad request","offendingMessage":{"msg":"added","id":"` + "\ufffd" + `"}}`, "added", "\ufffd"},
		{`{"msg":"added","id":"x"}`, BadRequest,
			`{"msg":"error","reason":"Bad request","offendingMessage":{"msg":"added","id":"x"}}`, "added", "x"},
		{`{"msg":"added","collection":"c","id":"x","fields":{"a":{"$binary":5}}}`, ParseError,
			`{"msg":"error","reason":"Parse error"}`, "added", "x"},
		{`{"msg":"removed","collection":5,"id":"x"}`, BadRequest,
			`{"msg":"error","reason":"Bad request","offendingMessage":{"msg":"removed","collection":5,"id":"x"}}`, "removed", "x"},
		{`{"msg":"ready","subs":[5]}`, BadRequest,
			`{"msg":"error","reason":"Bad request","offendingMessage":{"msg":"ready","subs":[5]}}`, "ready", ""},
		{`{"msg":"result"}`, BadRequest,
			`{"msg":"error","reason":"Bad request","offendingMessage":{"msg":"result"}}`, "result", ""},
	} {
		m, err := Decode([]byte(c.text))
		var bad *MalformedError
		if !errors.As(err, &bad) || m != nil {
			t.Errorf("%.60s: %#v, %v", c.text, m, err)
			continue
		}
		if bad.Reason != c.reason || bad.Type != c.typ || bad.ID != c.id || bad.Err == nil || bad.Error() == "" {
			t.Errorf("%.60s: %#v", c.text, bad)
		}
		if got := string(Append(nil, bad.Answer())); got != c.answer {
			t.Errorf("%.60s:\nanswered %s\nwant     %s", c.text, got, c.answer)
		}
	}
}

func TestErrorIs(t *testing.T) {
	err := fmt.Errorf("call: %w", NumericError(403, "Forbidden"))
	if !errors.Is(err, &Error{Code: "403"}) || errors.Is(err, &Error{Code: "404"}) || errors.Is(err, &Error{Code: "403", Reason: "other"}) {
		t.Error("Is is wrong")
	}
	if err.Error() != "call: ddp: Forbidden [403]" {
		t.Error(err)
	}
	for want, e := range map[string]*Error{
		`{"isClientSafe":true,"error":403,"reason":"Forbidden","message":"Forbidden [403]","errorType":"Meteor.Error"}`: NumericError(403, "Forbidden"),
		`{"isClientSafe":true,"error":"no","message":"[no]","errorType":"Meteor.Error"}`:                                {Code: "no"},
		`{"isClientSafe":true,"error":"4x","message":"[4x]","errorType":"Meteor.Error"}`:                                {Code: "4x", Numeric: true},
		`{"isClientSafe":true,"error":"no","details":[1],"message":"[no]","errorType":"Meteor.Error"}`:                  {Code: "no", Details: params(1)},
		`{"isClientSafe":true,"error":"y","message":"[y]","errorType":"Meteor.Error"}`:                                  {Code: "y", Details: func() {}},
	} {
		text := string(Append(nil, Nosub{ID: "1", Err: e.ForClient()}))
		if text != `{"msg":"nosub","id":"1","error":`+want+`}` {
			t.Errorf("%s\nwant %s", text, want)
		}
		if e.Type != "" {
			t.Error("ForClient changed the original")
		}
	}
}

// TestNamesAreBounded sends more names than a decoder remembers.
func TestNamesAreBounded(t *testing.T) {
	var d Decoder
	for i := range 3 * maxNames {
		name := fmt.Sprintf("collection%d", i)
		m, err := d.Decode(fmt.Appendf(nil, `{"msg":"removed","collection":%q,"id":"x"}`, name))
		if err != nil || m.(Removed).Collection != name {
			t.Fatal(m, err)
		}
		if len(d.names.m) > maxNames {
			t.Fatal(len(d.names.m), "names are remembered")
		}
	}
	long := strings.Repeat("n", maxName+1)
	d.Decode(fmt.Appendf(nil, `{"msg":"removed","collection":%q,"id":"x"}`, long))
	if _, ok := d.names.m[long]; ok {
		t.Error("a long name is remembered")
	}
}

// checkWhole reads a frame, of which m and err came, with a Decoder that makes whole
// documents, the general way and the fast one, and overwrites the frame.
func checkWhole(t *testing.T, frame []byte, m Message, err error) {
	t.Helper()
	if a, ok := m.(Added); ok {
		a.Fields = a.Fields.WithID(a.ID)
		m = a
	}
	d := Decoder{Whole: true, Arena: new(ejson.Arena)}
	for range 2 {
		lent := bytes.Clone(frame)
		got, err2 := d.Decode(lent)
		for i := range lent {
			lent[i] = '!'
		}
		if (err == nil) != (err2 == nil) || err == nil && !reflect.DeepEqual(got, m) && !same(got, m) {
			t.Fatalf("%q: whole %#v, %v, want %#v, %v", frame, got, err2, m, err)
		}
		if a, ok := got.(Added); ok && a.Fields != m.(Added).Fields {
			t.Fatalf("%q: whole %v, want %v", frame, a.Fields, m.(Added).Fields)
		}
	}
}

// TestWhole reads messages of all kinds and shapes into whole documents.
func TestWhole(t *testing.T) {
	for _, text := range []string{usual, `{"msg":"ping"}`, `{"msg":"removed","collection":"c","id":"x"}`,
		`{"msg":"changed","collection":"c","id":"x","fields":{"a":1}}`,
		`{"msg":"added","collection":"c","id":"x"}`, `{"msg":"added","collection":"c","id":"x","fields":{}}`,
		`{"msg":"added","collection":"c","id":"x","fields":{"_id":"other","a":1}}`, `{"msg":"added","collection":"c","id":"x","fields":{"a":1,"_id":"x"}}`,
		`{"msg":"added","collection":"c","id":"-","fields":{"a":1}}`, `{"msg":"added","collection":"c","id":"","fields":{"a":1}}`,
		`{"msg":"added","collection":"c","id":"-~x","fields":{"a":1}}`, `{"msg":"added","collection":"c","id":"~5","fields":{"a":1}}`,
		`{"msg":"added","collection":"c","id":"~[1]","fields":{"a":1}}`, `{"msg":"added","collection":"c","id":"~","fields":{"a":1}}`,
		`{"msg":"added","collection":"c","id":"0123456789abcdef01234567","fields":{"a":1}}`,
		`{"msg":"added","collection":"c","id":"a\\b\"é","fields":{"a":1}}`, `{"msg":"added","collection":"c","id":5,"fields":{"a":1}}`,
		`{"msg":"added","collection":"c","id":"x","fields":{"$date":5}}`, `{"msg":"added","collection":"c","id":"x","fields":{"$escape":{"$date":5}}}`,
		`{"msg":"added","collection":"c","id":"x","fields":{"a":{"$binary":5}}}`, `{"msg":"added","collection":"c","id":"x","fields":{"a":1}`,
		`{"msg":"added","collection":"c","id":"x","fields":{"a":1}},`, `{"msg":"added","collection":"c","id":"x","fields":{"a":1},"more":2}`,
		`{"msg":"added","collection":"c","id":"x","fields":[]}`, `{"msg":"added","collection":"c","id":"x","fields":{"a":1,"a":2}}`,
		`{"msg":"added","collection":"c","id":"x`, `{"msg":"added","collection":"c","id":"`, `{"msg":"added","collection":"c"`,
		`{"msg":"added","collection":"c","id":"` + strings.Repeat("i", 500) + `","fields":{"a":1}}`,
	} {
		m, err := Decode([]byte(text))
		checkWhole(t, []byte(text), m, err)
	}
	var d Decoder
	d.Whole = true
	frame := []byte(usual)
	first, _ := d.Decode(frame)
	if n := testing.AllocsPerRun(200, func() { d.Decode(frame) }); n > 2 {
		t.Errorf("%v allocations, want the document and the box of the message", n)
	}
	d.Arena = new(ejson.Arena)
	if n := testing.AllocsPerRun(1000, func() { d.Decode(frame) }); n > 1 {
		t.Errorf("%v allocations with an arena, want the box of the message", n)
	}
	a := first.(Added)
	if name, v := a.Fields.At(0); name != "_id" || v.Str() != "Hq7fKz3xWp9TnBv2c" || a.Fields.ID() != a.ID {
		t.Error(a)
	}
}

func FuzzDecode(f *testing.F) {
	seen := map[string]bool{}
	for _, l := range recordings(f) {
		if text := l.frame(); len(text) < 2000 && !seen[string(text[:min(len(text), 40)])] {
			seen[string(text[:min(len(text), 40)])] = true
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		// The second time the collection is known, and the fast way is open.
		var d Decoder
		m, err := d.Decode(frame)
		m2, err2 := d.Decode(frame)
		checkWhole(t, frame, m, err)
		if (err == nil) != (err2 == nil) || err == nil && !same(m, m2) {
			t.Fatalf("%q: %#v, %v, and again: %#v, %v", frame, m, err, m2, err2)
		}
		if err != nil {
			var bad *MalformedError
			if !errors.As(err, &bad) || bad.Err == nil {
				t.Fatalf("%q: %v", frame, err)
			}
			if _, err := Decode(Append(nil, bad.Answer())); err != nil {
				t.Fatalf("%q: the answer cannot be read: %v", frame, err)
			}
			return
		}
		for i := range frame {
			frame[i] ^= 0xff
		}
		text := Append(nil, m)
		again, err := Decode(text)
		if err != nil {
			t.Fatalf("wrote %q, which cannot be read: %v", text, err)
		}
		// What JavaScript reads otherwise than it writes (an invalid date) settles
		// after one round.
		text = Append(text[:0], again)
		third, err := Decode(text)
		if err != nil || string(Append(nil, third)) != string(text) {
			t.Fatalf("%q became %q: %v", text, Append(nil, third), err)
		}
	})
}

// TestCodecInterface: what JSON writes, its decoder reads.
func TestCodecInterface(t *testing.T) {
	m := Ping{ID: "1"}
	got, err := JSON.NewDecoder().Decode(JSON.Append(nil, m))
	if err != nil || got != m {
		t.Error(got, err)
	}
}
