package accounts

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
)

// What people are told.
var (
	errLoggedOut   = ddp.NumericError(403, "You've been logged out by the server. Please log in again.")
	errCredentials = ddp.NumericError(403, "Something went wrong. Please check your credentials.")
	errUnknownWay  = ddp.NumericError(400, "Unrecognized options for login request")
	errMatch       = ddp.NumericError(400, "Match failed")
	errNobody      = &ddp.Error{Code: "not-logged-in", Reason: "You are not logged in."}
)

// newToken makes a token of 256 bits.
func newToken() string {
	var b [32]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// hashToken returns what is stored of a token.
func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func (a *Accounts) expires(t Token) time.Time { return t.When.Add(a.opts.TokenLife) }

// addToken gives a user another token, whose life began then. Those that are too old or
// too many go, and with them their sessions, but for the caller's, which is about to
// belong to the new one.
func (a *Accounts) addToken(ctx context.Context, c *server.Call, userID string, began time.Time) (string, Token, error) {
	token := newToken()
	t := Token{Hash: hashToken(token), When: began}
	var gone []Token
	err := a.store.Update(ctx, userID, func(u *User) error {
		gone = nil
		kept := make([]Token, 0, len(u.Tokens)+1)
		for i, old := range u.Tokens {
			if len(u.Tokens)-i >= a.opts.MaxTokens || !time.Now().Before(a.expires(old)) {
				gone = append(gone, old)
			} else {
				kept = append(kept, old)
			}
		}
		u.Tokens = append(kept, t)
		return nil
	})
	if err == nil {
		a.closeTokens(gone, c.Session())
	}
	return token, t, err
}

// resume logs a session in by a token.
func (a *Accounts) resume(ctx context.Context, c *server.Call, token string) (any, error) {
	hash := hashToken(token)
	u, err := a.store.Find(ctx, Key{Token: hash})
	if errors.Is(err, ErrNoUser) {
		return nil, errLoggedOut
	}
	if err != nil {
		return nil, err
	}
	t, ok := u.token(hash)
	now := time.Now()
	if !ok || !now.Before(a.expires(t)) {
		return nil, errLoggedOut
	}
	if err := a.validate(ctx, c, u); err != nil {
		return nil, err
	}
	if now.Sub(t.When) > a.opts.TokenLife/2 {
		err = a.store.Update(ctx, u.ID, func(u *User) error {
			for i := range u.Tokens {
				if u.Tokens[i].Hash == hash {
					u.Tokens[i].When = now
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		t.When = now
	}
	return a.enter(ctx, c, u.ID, token, t, "resume")
}

// enter makes the session the user's, and tells the client.
func (a *Accounts) enter(ctx context.Context, c *server.Call, userID, token string, t Token, service string) (any, error) {
	_, had := a.binding(c.Session())
	a.bind(c.Session(), userID, t)
	// From here on the session is closed when the token is deleted. If it was before:
	if _, err := a.store.Find(ctx, Key{Token: t.Hash}); err != nil {
		a.unbind(c.Session())
		if had {
			err = errors.Join(err, c.SetUserID("")) // it belongs to no token any more
		}
		if errors.Is(err, ErrNoUser) {
			err = errLoggedOut
		}
		return nil, err
	}
	if err := c.SetUserID(userID); err != nil {
		a.unbind(c.Session())
		return nil, err
	}
	return ejson.Make().With("id", userID).With("token", token).
		WithValue("tokenExpires", ejson.DateValue(a.expires(t).UnixMilli())).With("type", service), nil
}

// logout is the method of that name.
func (a *Accounts) logout(ctx context.Context, c *server.Call) (any, error) {
	b, ok := a.binding(c.Session())
	a.unbind(c.Session())
	if err := c.SetUserID(""); err != nil {
		return nil, err
	}
	if !ok {
		return nil, nil
	}
	return nil, a.removeTokens(ctx, c, b.user, func(t Token) bool { return t.Hash == b.hash })
}

// removeTokens deletes those tokens of a user, and closes the sessions that belong to
// them, but for the caller's.
func (a *Accounts) removeTokens(ctx context.Context, c *server.Call, userID string, which func(Token) bool) error {
	var gone []Token
	err := a.store.Update(ctx, userID, func(u *User) error {
		gone = nil
		var kept []Token
		for _, t := range u.Tokens {
			if which(t) {
				gone = append(gone, t)
			} else {
				kept = append(kept, t)
			}
		}
		u.Tokens = kept
		return nil
	})
	if errors.Is(err, ErrNoUser) {
		return nil
	}
	if err == nil {
		a.closeTokens(gone, c.Session())
	}
	return err
}

// getNewToken is the method of that name: another token, that lives as long as the
// session's, and takes its place there.
func (a *Accounts) getNewToken(ctx context.Context, c *server.Call) (any, error) {
	b, ok := a.binding(c.Session())
	if !ok {
		return nil, errNobody
	}
	u, err := a.store.Find(ctx, Key{ID: b.user})
	if err != nil {
		return nil, err
	}
	old, ok := u.token(b.hash)
	if !ok {
		return nil, errNobody
	}
	token, t, err := a.addToken(ctx, c, b.user, old.When)
	if err != nil {
		return nil, err
	}
	a.bind(c.Session(), b.user, t)
	return ejson.Make().With("id", b.user).With("token", token).
		WithValue("tokenExpires", ejson.DateValue(a.expires(t).UnixMilli())), nil
}

// removeOtherTokens is the method of that name: together with getNewToken it logs out
// the user's other clients.
func (a *Accounts) removeOtherTokens(ctx context.Context, c *server.Call) (any, error) {
	b, ok := a.binding(c.Session())
	if !ok {
		return nil, errNobody
	}
	return nil, a.removeTokens(ctx, c, b.user, func(t Token) bool { return t.Hash != b.hash })
}
