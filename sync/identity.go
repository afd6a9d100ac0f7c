package sync

import (
	"errors"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// identity is in whose name the program works, and how to prove it. It is kept in
// sync.meta.
type identity struct {
	user    string // "" for nobody
	token   string // "" where there is none, or it is not accepted any more
	expires time.Time
	renew   time.Time // when to ask for another token; zero: not any more
	// needs says that the server does not accept the token: nothing goes to it in the
	// user's name, nor anonymously, before a Login or Logout.
	needs bool

	// method and params log in again where the server gives no tokens.
	method string
	params ejson.Array
}

// minRenew is how long a token is used at least before another is asked for.
const minRenew = time.Minute

// identityFrom reads the result of a login method.
func identityFrom(said ejson.Doc, now time.Time) (identity, error) {
	var me identity
	now = now.Round(0) // by the clock on the wall, which goes on while the machine sleeps
	if v := said.Field(fieldID); v.Kind() == ejson.String {
		me.user = v.Str()
	}
	if me.user == "" {
		return me, errors.New("sync: the server's answer to the login names no user")
	}
	if v := said.Field("token"); v.Kind() == ejson.String {
		me.token = v.Str()
	}
	if v := said.Field("tokenExpires"); v.Kind() == ejson.Date && me.token != "" {
		me.expires = v.Time()
		// As Meteor: a token is old when a tenth of its life is left, an hour at most. One
		// that has expired before it came says that the clocks do not agree.
		if life := me.expires.Sub(now); life > 0 {
			me.renew = now.Add(max(life-min(life/10, time.Hour), minRenew))
		}
	}
	return me, nil
}

var (
	loginID     = ejson.StringID("login")
	fieldToken  = "token"
	fieldRenew  = "renew"
	fieldNeeded = "needed"
)

// recordIdentity keeps who is logged in. The token is a secret, as the file is.
func (l *loop) recordIdentity(tx *store.Tx) error {
	me := &l.me
	if me.user == "" {
		tx.Delete(metaCollection, loginID)
		return nil
	}
	var b ejson.Builder
	b.Add("_id", loginID.Value())
	b.Add(fieldUser, ejson.StringValue(me.user))
	if me.token != "" {
		b.Add(fieldToken, ejson.StringValue(me.token))
	}
	if !me.expires.IsZero() {
		b.Add(fieldExpires, ejson.DateValue(me.expires.UnixMilli()))
	}
	if !me.renew.IsZero() {
		b.Add(fieldRenew, ejson.DateValue(me.renew.UnixMilli()))
	}
	b.Add(fieldNeeded, ejson.BoolValue(me.needs))
	return tx.Put(metaCollection, b.Doc())
}

// restoreIdentity takes up who was logged in.
func (l *loop) restoreIdentity(doc ejson.Doc) {
	me := &l.me
	if v := doc.Field(fieldUser); v.Kind() == ejson.String {
		me.user = v.Str()
	}
	if v := doc.Field(fieldToken); v.Kind() == ejson.String {
		me.token = v.Str()
	}
	if v := doc.Field(fieldExpires); v.Kind() == ejson.Date {
		me.expires = v.Time()
	}
	if v := doc.Field(fieldRenew); v.Kind() == ejson.Date {
		me.renew = v.Time()
	}
	me.needs = isTrue(doc.Field(fieldNeeded)) && me.user != ""
	l.status.UserID, l.status.NeedsLogin = me.user, me.needs
}
