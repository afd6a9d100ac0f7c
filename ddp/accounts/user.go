package accounts

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
)

// Errors of a Store.
var (
	// ErrNoUser: there is no such account.
	ErrNoUser = errors.New("accounts: no such user")
	// ErrTaken: another account has the username or an address.
	ErrTaken = errors.New("accounts: username or address is taken")
)

// User is one account.
type User struct {
	ID       string
	Username string // "" for none
	Emails   []Email
	Profile  ejson.Doc // the zero Doc for none

	Password string  // hash of the digest, by bcrypt or, where it came from elsewhere, argon2; "" for none
	Tokens   []Token // oldest first

	TOTP     string // secret of the second factor in base32; "" for none
	TOTPNew  string // likewise, not confirmed by a code yet
	TOTPStep int64  // of the last code that was used: none is good twice
}

// Email is an address of a user.
type Email struct {
	Address  string
	Verified bool
}

// Token is one by which a user may log in again.
type Token struct {
	Hash string    // SHA-256 of the token, in base64
	When time.Time // when its life began
}

// clone returns a copy that shares nothing which can be changed.
func (u User) clone() User {
	u.Emails, u.Tokens = slices.Clone(u.Emails), slices.Clone(u.Tokens)
	return u
}

// token returns the token of that hash.
func (u *User) token(hash string) (Token, bool) {
	i := slices.IndexFunc(u.Tokens, func(t Token) bool { return t.Hash == hash })
	if i < 0 {
		return Token{}, false
	}
	return u.Tokens[i], true
}

// Key names one account by exactly one of its fields. Usernames and addresses are the
// same if they differ in case only.
type Key struct {
	ID, Username, Email string
	Token               string // its hash
}

// Store keeps accounts. It is called by many goroutines at once. An error other than
// those named here is logged, and the client is told of an internal error.
type Store interface {
	// Find returns an account, or ErrNoUser. The caller owns it.
	Find(ctx context.Context, k Key) (User, error)
	// Insert adds an account; ErrTaken where its id, username or an address is.
	Insert(ctx context.Context, u User) error
	// Update has change alter an account, and keeps the result if it returns nil, and
	// nobody has altered the account meanwhile; then change is called again, with the
	// account as it is now. ErrNoUser, ErrTaken as above; otherwise change's error.
	Update(ctx context.Context, id string, change func(*User) error) error
}
