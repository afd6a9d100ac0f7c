package server

import (
	"reflect"
	"testing"
)

// TestLimitKeepsNoSession: what counts attempts outlives sessions, and so must not hold on
// to one and all that it has.
func TestLimitKeepsNoSession(t *testing.T) {
	k := reflect.TypeFor[attemptKey]()
	for i := range k.NumField() {
		if f := k.Field(i); f.Type.Kind() != reflect.String && f.Type.Kind() != reflect.Bool {
			t.Errorf("%s is a %s", f.Name, f.Type)
		}
	}
}
