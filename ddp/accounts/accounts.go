package accounts

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
	"golang.org/x/crypto/bcrypt"
)

// Options configure New. The zero value is the default.
type Options struct {
	// TokenLife is how long a token is good. 0 means 90 days, as Meteor has it.
	TokenLife time.Duration
	// MaxTokens is how many a user may have; one more and the oldest is deleted. 0
	// means 100.
	MaxTokens int
	// Cost is bcrypt's for passwords that are set from now on. 0 means 10, Meteor's.
	Cost int
	// SignUp lets clients create accounts, by the method createUser.
	SignUp bool
	// Validate is asked before anyone is logged in, however; nil: nobody. It refuses
	// with an error, which the client is told if it is a *ddp.Error.
	Validate func(ctx context.Context, c *server.Call, u User) error
	// Document returns what is published to users of themselves; nil: username, emails
	// and profile, where there are any. The zero Doc means nothing. The id is added.
	Document func(u User) ejson.Doc
	// Limits are put on the server; nil: 5 logins, sign-ups and changes of password
	// together in 10s for each session, as Meteor has it, and 50 for each address, so
	// that more sessions are no way around it. An empty list means none.
	Limits []server.Limit
	// Logger takes what goes wrong in the store. nil: slog.Default.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	o.TokenLife = cmp.Or(o.TokenLife, 90*24*time.Hour)
	o.MaxTokens = cmp.Or(o.MaxTokens, 100)
	o.Cost = cmp.Or(o.Cost, bcrypt.DefaultCost)
	o.Logger = cmp.Or(o.Logger, slog.Default())
	if o.Document == nil {
		o.Document = document
	}
	if o.Limits == nil {
		names := []string{"login", "createUser", "resetPassword", "forgotPassword", "changePassword", "enableUser2fa"}
		o.Limits = []server.Limit{
			{Methods: names, Count: 5, Per: 10 * time.Second},
			{Methods: names, Count: 50, Per: 10 * time.Second, Each: server.EachAddr},
		}
	}
	return o
}

// Accounts are the accounts of one server.
type Accounts struct {
	opts  Options
	store Store

	dummy []byte // what passwords of nobody are compared with

	mu       sync.Mutex // guards the rest; a leaf
	handlers []Handler
	bound    map[*server.Session]binding
	tokens   map[string]map[*server.Session]bool // sessions by the hash of their token
	shown    map[string]map[*viewer]bool         // by user
}

// binding is who is logged in on a session, and by what; the zero binding is nobody.
type binding struct {
	user, hash string
	end        *time.Timer // when the token expires
}

// Handler logs people in by other means, say by a credential of another service: how is
// what the client gave to the method login. A handler that is not for that returns ""
// and nil; otherwise the id of a user in the store, or an error, which the client is
// told if it is a *ddp.Error. service is what the client is told as the type.
type Handler func(ctx context.Context, c *server.Call, how ejson.Doc) (userID, service string, err error)

// New adds accounts to a server, before it serves.
func New(srv *server.Server, store Store, opts Options) *Accounts {
	a := &Accounts{
		opts: opts.withDefaults(), store: store,
		bound:  make(map[*server.Session]binding),
		tokens: make(map[string]map[*server.Session]bool),
		shown:  make(map[string]map[*viewer]bool),
	}
	// A cost that bcrypt does not take shows here already: every login then fails.
	a.dummy, _ = bcrypt.GenerateFromPassword([]byte(digest(ddp.NewID())), a.opts.Cost)
	for _, l := range a.opts.Limits {
		srv.Limit(l)
	}
	srv.Method("login", a.login)
	srv.Method("logout", a.logout)
	srv.Method("getNewToken", a.getNewToken)
	srv.Method("removeOtherTokens", a.removeOtherTokens)
	srv.Method("changePassword", a.changePassword)
	if a.opts.SignUp {
		srv.Method("createUser", a.signUp)
	}
	a.secondFactor(srv)
	srv.Publish("", a.publish)
	return a
}

// Handle adds a way to log in. Handlers are asked in the order in which they were added,
// and only about what is neither a token nor a password.
func (a *Accounts) Handle(h Handler) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.handlers = append(a.handlers, h)
}

// LogOut deletes all tokens of a user, and closes the sessions that belong to them.
func (a *Accounts) LogOut(ctx context.Context, userID string) error {
	err := a.store.Update(ctx, userID, func(u *User) error { u.Tokens = nil; return nil })
	if err != nil {
		return err
	}
	return a.Refresh(ctx, userID)
}

// Refresh looks what has become of a user whom somebody else has altered in the store:
// sessions whose tokens are gone are closed, and the others are shown the user's
// document as it is now.
func (a *Accounts) Refresh(ctx context.Context, userID string) error {
	u, err := a.store.Find(ctx, Key{ID: userID})
	if err != nil && !errors.Is(err, ErrNoUser) {
		return err
	}
	err = nil
	a.mu.Lock()
	var gone []*server.Session
	for s, b := range a.bound {
		if b.user == "" || b.user != userID {
			continue
		}
		if _, ok := u.token(b.hash); !ok {
			gone = append(gone, s)
		}
	}
	shown := slices.Collect(maps.Keys(a.shown[userID]))
	a.mu.Unlock()
	for _, s := range gone {
		s.Close()
	}
	for _, v := range shown {
		err = errors.Join(err, a.show(ctx, v))
	}
	return err
}

// bind makes a session belong to a token of a user.
func (a *Accounts) bind(s *server.Session, user string, t Token) {
	a.mu.Lock()
	_, known := a.bound[s]
	a.unbindLocked(s)
	a.bound[s] = binding{user, t.Hash, time.AfterFunc(time.Until(a.expires(t)), func() { a.expired(s, user, t.Hash) })}
	if a.tokens[t.Hash] == nil {
		a.tokens[t.Hash] = make(map[*server.Session]bool)
	}
	a.tokens[t.Hash][s] = true
	a.mu.Unlock()
	if known {
		return // and so is its end, however often it logs in
	}
	s.OnClose(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.unbindLocked(s)
		delete(a.bound, s)
	})
}

// unbind makes a session belong to no token.
func (a *Accounts) unbind(s *server.Session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unbindLocked(s)
}

// unbindLocked leaves a session that is known with the zero binding.
func (a *Accounts) unbindLocked(s *server.Session) {
	b := a.bound[s]
	if b.user == "" {
		return
	}
	b.end.Stop()
	a.bound[s] = binding{}
	delete(a.tokens[b.hash], s)
	if len(a.tokens[b.hash]) == 0 {
		delete(a.tokens, b.hash)
	}
}

// binding returns who is logged in on a session by a token.
func (a *Accounts) binding(s *server.Session) (binding, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.bound[s]
	return b, b.user != ""
}

// expired closes a session whose token is too old, unless somebody has renewed it.
func (a *Accounts) expired(s *server.Session, user, hash string) {
	u, err := a.store.Find(s.Context(), Key{ID: user})
	t, ok := u.token(hash)
	left := time.Until(a.expires(t))
	switch {
	case s.Context().Err() != nil:
		return
	case err != nil && !errors.Is(err, ErrNoUser):
		a.opts.Logger.Error("accounts: a token that may have expired", "user", user, "err", err)
		left = time.Minute
	case !ok:
		left = 0
	}
	a.mu.Lock()
	b := a.bound[s]
	mine := b.user == user && b.hash == hash
	if mine && left > 0 {
		b.end.Reset(left)
	}
	a.mu.Unlock()
	if mine && left <= 0 {
		s.Close()
	}
}

// closeTokens closes the sessions that belong to tokens, but for one.
func (a *Accounts) closeTokens(tokens []Token, but *server.Session) {
	a.mu.Lock()
	var gone []*server.Session
	for _, t := range tokens {
		for s := range a.tokens[t.Hash] {
			if s != but {
				gone = append(gone, s)
			}
		}
	}
	a.mu.Unlock()
	for _, s := range gone {
		s.Close()
	}
}
