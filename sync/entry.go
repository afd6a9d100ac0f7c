package sync

import (
	"errors"
	"fmt"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
)

// State is how far a call of the outbox has come.
type State string

// The states of a call in the outbox. One that ended well is no longer in it.
const (
	Queued State = "queued" // not sent yet, or to be tried again
	Sent   State = "sent"   // sent, and without result; sent again on the next connection
	Parked State = "parked" // made by a user who is not logged in, or not accepted
	Failed State = "failed" // ended with an error; kept until retried or dismissed
)

// Entry is a document of OutboxCollection: a call made by Do.
type Entry struct {
	ID       string      `bson:"_id"`
	Method   string      `bson:"method"`
	Params   ejson.Array `bson:"params"`
	Seed     string      `bson:"seed"` // its randomSeed
	User     string      `bson:"user"` // who made it; "" for nobody
	Entity   string      `bson:"entity"`
	Squash   string      `bson:"squash"`
	Wait     bool        `bson:"wait"`
	NoRetry  bool        `bson:"noRetry"`
	At       time.Time   `bson:"at"`      // when it was made
	Expires  time.Time   `bson:"expires"` // when it is given up if it was not sent; zero: never
	State    State       `bson:"state"`
	Attempts int         `bson:"attempts"` // how often it was sent
	Refusals int         `bson:"refusals"` // how often it was refused, and tried again
	After    time.Time   `bson:"after"`    // when it may be tried again; zero: at any time
	Error    *EntryError `bson:"error"`    // the last error; nil: none
}

// EntryError is an error in an Entry. Code is the server's, or one of "expired",
// "unknown-outcome", "too-long" and "unreadable" where the error is the replica's own.
type EntryError struct {
	Code   string `bson:"code"`
	Reason string `bson:"reason"`
	Local  bool   `bson:"local"` // not the server's
}

const (
	fieldMethod   = "method"
	fieldSeed     = "seed"
	fieldUser     = "user"
	fieldEntity   = "entity"
	fieldSquash   = "squash"
	fieldWait     = "wait"
	fieldNoRetry  = "noRetry"
	fieldAt       = "at"
	fieldExpires  = "expires"
	fieldState    = "state"
	fieldAttempts = "attempts"
	fieldRefusals = "refusals"
	fieldAfter    = "after"
	fieldError    = "error"
	fieldCode     = "code"
	fieldReason   = "reason"
	fieldDetails  = "details"
	fieldLocal    = "local"
)

// record is the document of a call in the outbox; see Entry.
func (c *call) record() ejson.Doc {
	var b ejson.Builder
	k := c.kept
	b.Add("_id", ejson.StringValue(c.id))
	b.Add(fieldMethod, ejson.StringValue(c.method.Name))
	b.Add(fieldParams, c.params.Value())
	b.Add(fieldSeed, ejson.StringValue(c.seed))
	b.Add(fieldUser, ejson.StringValue(c.user))
	if c.method.Entity != "" {
		b.Add(fieldEntity, ejson.StringValue(c.method.Entity))
	}
	if c.method.Squash != "" {
		b.Add(fieldSquash, ejson.StringValue(c.method.Squash))
	}
	if c.method.Wait {
		b.Add(fieldWait, ejson.BoolValue(true))
	}
	if c.method.NoRetry {
		b.Add(fieldNoRetry, ejson.BoolValue(true))
	}
	b.Add(fieldAt, ejson.DateValue(k.at.UnixMilli()))
	if !k.expires.IsZero() {
		b.Add(fieldExpires, ejson.DateValue(k.expires.UnixMilli()))
	}
	b.Add(fieldState, ejson.StringValue(string(k.state)))
	b.Add(fieldAttempts, ejson.NumberValue(float64(k.attempts)))
	if k.refusals > 0 {
		b.Add(fieldRefusals, ejson.NumberValue(float64(k.refusals)))
	}
	if !k.after.IsZero() {
		b.Add(fieldAfter, ejson.DateValue(k.after.UnixMilli()))
	}
	if k.err != nil {
		b.Add(fieldError, errorRecord(k.err).Value())
	}
	return b.Doc()
}

// callFrom makes the call of a document in the outbox.
func callFrom(doc ejson.Doc) (*call, error) {
	text := func(name string) string {
		v := doc.Field(name)
		if v.Kind() != ejson.String {
			return ""
		}
		return v.Str()
	}
	count := func(name string) int {
		v := doc.Field(name)
		if v.Kind() != ejson.Number || !(v.Number() >= 0 && v.Number() < 1<<31) {
			return 0
		}
		return int(v.Number())
	}
	date := func(name string) time.Time {
		v := doc.Field(name)
		if v.Kind() != ejson.Date {
			return time.Time{}
		}
		return v.Time()
	}
	c := newCall(Method{
		Name: text(fieldMethod), Entity: text(fieldEntity), Squash: text(fieldSquash),
		Wait: isTrue(doc.Field(fieldWait)), NoRetry: isTrue(doc.Field(fieldNoRetry)),
	}, listOf(doc.Field(fieldParams)))
	c.id, c.seed, c.user = text("_id"), text(fieldSeed), text(fieldUser)
	c.kept = &durable{
		state: State(text(fieldState)), at: date(fieldAt), expires: date(fieldExpires), after: date(fieldAfter),
		attempts: count(fieldAttempts), refusals: count(fieldRefusals),
	}
	if e := docOf(doc.Field(fieldError)); !e.IsZero() {
		c.kept.err = errorFrom(e)
	}
	switch {
	case c.id == "":
		return nil, errors.New("a call without _id, or whose _id is no string")
	case c.method.Name == "":
		return nil, fmt.Errorf("call %q has no method", c.id)
	}
	if c.kept.state == Failed && c.kept.err == nil {
		c.kept.err = &ddp.Error{Code: "unknown"}
	}
	c.wire = c.triedAs()
	return c, nil
}

// ownErrors are the errors of the replica itself that a call can end with.
var ownErrors = map[string]error{"expired": ErrExpired, "unknown-outcome": ErrUnknownOutcome, "too-long": ErrTooLong}

func errorRecord(err error) ejson.Doc {
	var b ejson.Builder
	var de *ddp.Error
	if errors.As(err, &de) {
		b.Add(fieldCode, ejson.StringValue(de.Code))
		b.Add(fieldReason, ejson.StringValue(de.Reason))
		if v, err := ejson.ValueOf(de.Details); err == nil && de.Details != nil {
			b.Add(fieldDetails, v)
		}
		return b.Doc()
	}
	code := "unreadable"
	for name, own := range ownErrors {
		if errors.Is(err, own) {
			code = name
		}
	}
	b.Add(fieldCode, ejson.StringValue(code))
	b.Add(fieldReason, ejson.StringValue(err.Error()))
	b.Add(fieldLocal, ejson.BoolValue(true))
	return b.Doc()
}

func errorFrom(doc ejson.Doc) error {
	var code, reason string
	if v := doc.Field(fieldCode); v.Kind() == ejson.String {
		code = v.Str()
	}
	if v := doc.Field(fieldReason); v.Kind() == ejson.String {
		reason = v.Str()
	}
	if !isTrue(doc.Field(fieldLocal)) {
		e := &ddp.Error{Code: code, Reason: reason}
		if v := doc.Field(fieldDetails); !v.IsMissing() {
			e.Details = v.Any()
		}
		return e
	}
	if own := ownErrors[code]; own != nil {
		return own
	}
	return errors.New(reason)
}
