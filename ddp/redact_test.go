package ddp

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		`{"msg":"ping"}`: `{"msg":"ping"}`,
		`{"msg":"method","id":"1","method":"login","params":[{"user":{"email":"a@b"},"password":{"digest":"x","algorithm":"sha-256"}}]}`: `{"msg":"method","id":"1","method":"login","params":"(hidden)"}`,
		`{"params":["secret",{"a":"]"}],"method":"resetPassword","msg":"method"}`:                                                        `{"params":"(hidden)","method":"resetPassword","msg":"method"}`,
		`{"msg":"method","method":"log\u0069n","params":["secret"]}`:                                                                     `{"msg":"method","method":"log\u0069n","params":"(hidden)"}`,
		`{"msg":"m\u0065thod","m\u0065thod":"changeP\u0061ssword","p\u0061rams":["old","new"]}`:                                          `{"msg":"m\u0065thod","m\u0065thod":"changeP\u0061ssword","p\u0061rams":"(hidden)"}`,
		`{"msg":"result","id":"1","result":{"secret":"x","uri":"otpauth://totp/App:alice?secret=X"}}`:                                    `{"msg":"result","id":"1","result":{"secret":"(hidden)","uri":"(hidden)"}}`,
		`{"msg":"result","id":"1","result":{"id":"u","token":"secret","tokenExpires":{"$date":1}}}`:                                      `{"msg":"result","id":"1","result":{"id":"u","token":"(hidden)","tokenExpires":{"$date":1}}}`,
		`{"msg":"connected","session":"secret"}`:                                                                                         `{"msg":"connected","session":"(hidden)"}`,
		`{"msg":"connect","session" : "secret" , "version":"1"}`:                                                                         `{"msg":"connect","session":"(hidden)", "version":"1"}`,
		`{"fields":{"services":{"password":{"bcrypt":"secret"},"resume":["secret","]"]}}}`:                                               `{"fields":{"services":{"password":"(hidden)","resume":"(hidden)"}}}`,
		`{"fields":{"p\u0061ssword":"secret","secret":12,"text":"\"password\":"}}`:                                                       `{"fields":{"p\u0061ssword":"(hidden)","secret":"(hidden)","text":"\"password\":"}}`,
		`{"fields":{"a":"password","b":["token"]}}`:                                                                                      `{"fields":{"a":"password","b":["token"]}}`,
		`{"token":`:      `{"token":`,
		`{"token":"secr`: `{"token":"(hidden)"`,
		`"`:              `"`,
		``:               ``,
	} {
		if got := string(Redact([]byte("> "), []byte(in))); got != "> "+want {
			t.Errorf("%s\ngot  %s\nwant %s", in, got, want)
		}
	}
}

func FuzzRedact(f *testing.F) {
	f.Add([]byte(`{"a":{"token":["\\\"x",{}]},"password":1}`))
	f.Add([]byte(`{"token": }`))
	f.Add([]byte(`{"session" : `))
	f.Fuzz(func(t *testing.T, frame []byte) {
		was := string(frame)
		got := Redact(nil, frame)
		if string(frame) != was {
			t.Fatal("the frame was changed")
		}
		if json.Valid(frame) {
			if !json.Valid(got) {
				t.Fatalf("%s became %s", frame, got)
			}
			if again := Redact(nil, got); string(again) != string(got) && !strings.Contains(was, `\u`) {
				t.Fatalf("%s became %s, then %s", frame, got, again)
			}
		}
	})
}
