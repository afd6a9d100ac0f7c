package server

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
)

// The fields of a record that Call.Record makes.
const (
	recordUser   = "user"
	recordMethod = "method"
	recordAt     = "at"
	recordAnswer = "answer"
)

// Key names the call for as long as anybody remembers it: a short text that is the same
// when the call is sent again, under the same id and with the same parameters and seed,
// in whatever session and after whatever restart; and different for every other call. It is "" where there is no such name: where Server.Recall is nil, for
// a call that a method makes ([Call.Call]), and for a call whose id is not one for ever.
//
// Meteor's clients number their calls from 1 in each page, so the same id comes again
// and means something else. An id counts as one for ever if it begins with a UUID, or
// with 17 characters of Meteor's own kind, as [ddp.NewID] makes them; those of this
// module's clients do.
func (c *Call) Key() string {
	if c.outer != nil || c.s.server.Recall == nil || !lasting(c.id) {
		return ""
	}
	if c.key == "" {
		c.key = callKey(c.id, c.name, c.Params, c.RandomSeed)
	}
	return c.key
}

// Record makes the document by which Server.Recall tells later what the call was
// answered: its _id is [Call.Key], and it has user, method, the time at, and the answer,
// a text. The method stores it in the transaction in which it writes, so that either
// both are there or neither, and may delete it when nobody can send the call again.
//
// When the call is sent again by another user than the one that it was made for, it is not
// made either, and answered with the error already-called: results are for who asked. What
// nobody did who was logged in, anybody may hear who knows the id.
//
// result and err are what the method is about to return; an error is recorded as
// the client is told it (see [Sanitize]). The zero Doc is returned where Key is ""; and
// an error where the result is no value that ejson.ValueOf takes.
//
// A call that fails and has changed nothing need not be recorded: to make it again does
// no harm.
func (c *Call) Record(result any, err error) (ejson.Doc, error) {
	key := c.Key()
	if key == "" {
		return ejson.Doc{}, nil
	}
	r := ddp.Result{ID: c.id}
	if err != nil {
		r.Err, _ = Sanitize(err)
	} else if r.Value, err = valueOf(result); err != nil {
		return ejson.Doc{}, fmt.Errorf("server: record of %s: result: %w", c.name, err)
	}
	return ejson.Make(
		ejson.Field{Name: idField, Value: key},
		ejson.Field{Name: recordUser, Value: c.entryUser},
		ejson.Field{Name: recordMethod, Value: c.name},
		ejson.Field{Name: recordAt, Value: time.Now()},
		ejson.Field{Name: recordAnswer, Value: string(ddp.Append(nil, r))},
	), nil
}

// lasting reports whether an id was made to be the only one of its kind.
func lasting(id string) bool {
	const dashed, short = 36, 17
	if len(id) >= dashed && uuid.Validate(id[:dashed]) == nil {
		return true
	}
	if len(id) < short {
		return false
	}
	for _, b := range []byte(id[:short]) {
		if !strings.ContainsRune("23456789ABCDEFGHJKLMNPQRSTWXYZabcdefghijkmnopqrstuvwxyz", rune(b)) {
			return false
		}
	}
	return true
}

// callKey is 43 characters, whatever a client chose for an id: all that makes a call
// that call, each part with its length before it.
func callKey(id, name string, params ejson.Array, seed string) string {
	h := sha256.New()
	part := func(b []byte) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	for _, s := range []string{id, name, seed} {
		part([]byte(s))
	}
	part(params.Value().AppendJSON(nil))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// once has run make the call unless it is known what it was answered before; then that
// is returned. The same call is never under way twice, in two sessions of a client that
// came back without its session.
func (c *Call) once(run func() (ejson.Value, error)) (ejson.Value, error) {
	key := c.Key()
	if key == "" {
		return run()
	}
	leave, err := c.s.server.alone(c.s.ctx, key)
	if err != nil {
		return ejson.Value{}, err
	}
	defer leave()
	record, err := c.recall()
	switch {
	case err != nil:
		return ejson.Value{}, fmt.Errorf("recall: %w", err)
	case record.IsZero():
		return run()
	}
	m, err := ddp.Decode([]byte(record.Field(recordAnswer).Str()))
	r, ok := m.(ddp.Result)
	if err != nil || !ok {
		return ejson.Value{}, errors.Join(errors.New("recall: the record holds no answer"), err)
	}
	c.s.server.recalled.Add(1)
	if by := record.Field(recordUser).Str(); by != "" && by != c.entryUser {
		return ejson.Value{}, &ddp.Error{Code: alreadyCalled, Reason: "The call was made, on behalf of another user"}
	}
	if r.Err != nil {
		return ejson.Value{}, r.Err
	}
	return r.Value, nil
}

// recall asks the owner, and makes an error of a panic.
func (c *Call) recall() (record ejson.Doc, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = caught(p)
		}
	}()
	return c.s.server.Recall(c.s.ctx, c)
}

// alone waits until nobody else is at the call of that key. leave lets the next go on.
func (s *Server) alone(ctx context.Context, key string) (leave func(), err error) {
	for {
		s.mu.Lock()
		at := s.underway[key]
		if at == nil {
			done := make(chan struct{})
			if s.underway == nil {
				s.underway = make(map[string]chan struct{})
			}
			s.underway[key] = done
			s.mu.Unlock()
			return func() {
				s.mu.Lock()
				delete(s.underway, key)
				s.mu.Unlock()
				close(done)
			}, nil
		}
		s.mu.Unlock()
		select {
		case <-at:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
