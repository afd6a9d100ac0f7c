package sync

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"github.com/replicad/replicad/ddp/ejson"
)

// Credential is what a login method takes. Password and Token are two; others, for
// login handlers of the server's own, are easily made.
//
// LoginParams returns the parameter of the method login: anything that
// ejson.ValueOf takes. A credential that also has the method
//
//	LoginMethod() string
//
// logs in by another method than login, one that answers as login does: createUser,
// say.
type Credential interface {
	LoginParams() (any, error)
}

// Password logs in by user name, email address or user id: the first that is given.
// What is sent is the SHA-256 digest of the password. Code is the one-time code of an
// authenticator app, "" where the user has none.
type Password struct{ User, Email, ID, Password, Code string }

// LoginParams returns what Meteor's password handler takes.
func (p Password) LoginParams() (any, error) {
	user := map[string]any{}
	switch {
	case p.User != "":
		user["username"] = p.User
	case p.Email != "":
		user["email"] = p.Email
	case p.ID != "":
		user["id"] = p.ID
	default:
		return nil, errors.New("sync: a password needs a user name, an email address or an id")
	}
	sum := sha256.Sum256([]byte(p.Password))
	params := map[string]any{
		"user":     user,
		"password": map[string]any{"digest": hex.EncodeToString(sum[:]), "algorithm": "sha-256"},
	}
	if p.Code != "" {
		params["code"] = p.Code
	}
	return params, nil
}

// Token resumes an earlier login.
type Token string

// LoginParams returns what every Meteor server takes.
func (t Token) LoginParams() (any, error) { return map[string]any{"resume": string(t)}, nil }

// Login logs in, and again on every connection after this, before anything else is
// sent: with the token that the server gave, which is kept in the file, also in later
// processes. It returns the id of the user, in whose name all later calls are made.
// Offline it waits for the server; bound it by ctx. When ctx is done first, a login
// that is not on its way yet is forgotten.
//
// While the login is on its way nothing else is sent, and what the server sends is
// shown when it has been answered, as one.
//
// Errors: the server's, a *ddp.Error, and then who was logged in still is;
// ErrLoginTimeout; ErrClosed; those of the credential; that of ctx.
func (r *Replica) Login(ctx context.Context, c Credential) (userID string, err error) {
	params, err := c.LoginParams()
	if err != nil {
		return "", err
	}
	list, err := arrayOf([]any{params})
	if err != nil {
		return "", err
	}
	a := &loginAsk{method: "login", params: list, done: make(chan struct{})}
	if m, ok := c.(interface{ LoginMethod() string }); ok {
		a.method = m.LoginMethod()
	}
	if err := r.ask(ctx, a); err != nil {
		return "", err
	}
	return a.user, nil
}

// Logout forgets the user and the token, at once, and ends the login at the server, for
// which it waits if there is a connection. Calls of the outbox that the user made stay,
// Parked, until the same user logs in again.
//
// Errors: ErrClosed; that of ctx, with the user forgotten all the same.
func (r *Replica) Logout(ctx context.Context) error {
	return r.ask(ctx, &loginAsk{method: "logout", params: ejson.Array{}, out: true, done: make(chan struct{})})
}

// ask hands a login or logout to the loop, and waits for the end.
func (r *Replica) ask(ctx context.Context, a *loginAsk) error {
	if err := r.do(ctx, func(l *loop) { l.login(a) }); err != nil {
		return err
	}
	select {
	case <-a.done:
		return a.err
	case <-ctx.Done():
		_ = r.do(context.Background(), func(l *loop) { l.withdraw(a) })
		return ctx.Err()
	case <-r.ctx.Done():
		return ErrClosed
	}
}
