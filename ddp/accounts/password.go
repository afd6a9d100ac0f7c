package accounts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
	"golang.org/x/crypto/bcrypt"
)

// digest is what clients send of a password.
func digest(password string) string {
	sum := sha256.Sum256([]byte(password))
	return hex.EncodeToString(sum[:])
}

// digestOf reads a password as clients send it: its digest, or, from some, itself.
func digestOf(v ejson.Value) (string, bool) {
	switch v.Kind() {
	case ejson.String:
		return digest(v.Str()), v.Str() != ""
	case ejson.Object:
		d := v.Doc().Field("digest").Str()
		ok := v.Doc().Field("algorithm").Str() == "sha-256" && len(d) == 2*sha256.Size &&
			strings.Trim(d, "0123456789abcdef") == ""
		return d, ok
	}
	return "", false
}

// hash returns what is stored of a password.
func (a *Accounts) hash(digest string) (string, error) {
	h, err := bcrypt.GenerateFromPassword([]byte(digest), a.opts.Cost)
	return string(h), err
}

// matches compares a digest with what is stored; with nothing stored it takes as long,
// and fails.
func (a *Accounts) matches(stored, digest string) bool {
	if strings.HasPrefix(stored, "$argon2") {
		return argon2Matches(stored, digest)
	}
	hash := []byte(stored)
	if stored == "" {
		hash = a.dummy
	}
	err := bcrypt.CompareHashAndPassword(hash, []byte(digest))
	return err == nil && stored != ""
}

// byPassword returns the user who names themselves and knows their password, and the
// second factor if they have one.
func (a *Accounts) byPassword(ctx context.Context, how ejson.Doc) (User, error) {
	sum, ok := digestOf(how.Field("password"))
	k, named := keyOf(how.Field("user"))
	if !named {
		return User{}, errMatch
	}
	u, err := a.store.Find(ctx, k)
	if err != nil && !errors.Is(err, ErrNoUser) {
		return User{}, err
	}
	if right := a.matches(u.Password, sum); !ok || !right {
		return User{}, errCredentials
	}
	if u.TOTP != "" {
		if err := a.checkCode(ctx, u.ID, how.Field("code")); err != nil {
			return User{}, err
		}
	}
	return u, nil
}

// keyOf reads who is meant: {username}, {email} or {id}, or text, which is an address if
// there is an @ in it.
func keyOf(v ejson.Value) (k Key, ok bool) {
	if v.Kind() == ejson.String {
		if strings.Contains(v.Str(), "@") {
			return Key{Email: v.Str()}, true
		}
		return Key{Username: v.Str()}, v.Str() != ""
	}
	if v.Kind() != ejson.Object || v.Doc().Len() != 1 {
		return k, false
	}
	for name, v := range v.Doc().Fields() {
		if v.Kind() != ejson.String || v.Str() == "" {
			return k, false
		}
		switch name {
		case "id":
			return Key{ID: v.Str()}, true
		case "username":
			return Key{Username: v.Str()}, true
		case "email":
			return Key{Email: v.Str()}, true
		}
	}
	return k, false
}

// NewUser is an account to be created. A username or an address it must have.
type NewUser struct {
	Username string
	Email    string
	Password string // as people type it; "" for none
	Profile  ejson.Doc
}

// Create adds an account, and returns its id; ErrTaken where the username or address is.
func (a *Accounts) Create(ctx context.Context, n NewUser) (id string, err error) {
	sum := ""
	if n.Password != "" {
		sum = digest(n.Password)
	}
	return a.create(ctx, n, sum)
}

func (a *Accounts) create(ctx context.Context, n NewUser, digest string) (id string, err error) {
	if n.Username == "" && n.Email == "" {
		return "", errors.New("accounts: a user needs a username or an address")
	}
	u := User{ID: ddp.NewID(), Username: n.Username, Profile: n.Profile}
	if n.Email != "" {
		u.Emails = []Email{{Address: n.Email}}
	}
	if digest != "" {
		if u.Password, err = a.hash(digest); err != nil {
			return "", err
		}
	}
	return u.ID, a.store.Insert(ctx, u)
}

// SetPassword gives a user another password, as people type it, and logs out all their
// clients. "" takes the password away.
func (a *Accounts) SetPassword(ctx context.Context, userID, password string) error {
	hash := ""
	if password != "" {
		var err error
		if hash, err = a.hash(digest(password)); err != nil {
			return err
		}
	}
	err := a.store.Update(ctx, userID, func(u *User) error {
		u.Password, u.Tokens = hash, nil
		return nil
	})
	if err != nil {
		return err
	}
	return a.Refresh(ctx, userID)
}

// signUp is the method createUser.
func (a *Accounts) signUp(ctx context.Context, c *server.Call) (any, error) {
	if c.Params.Len() == 0 || c.Params.At(0).Kind() != ejson.Object {
		return nil, errMatch
	}
	in := c.Params.At(0).Doc()
	sum, ok := digestOf(in.Field("password"))
	n := NewUser{Username: in.Field("username").Str(), Email: in.Field("email").Str()}
	if p := in.Field("profile"); p.Kind() == ejson.Object {
		n.Profile = p.Doc()
	}
	if !ok || n.Username == "" && n.Email == "" || strings.Contains(n.Username, "@") {
		return nil, errMatch
	}
	id, err := a.create(ctx, n, sum)
	if errors.Is(err, ErrTaken) {
		return nil, errCredentials
	}
	if err != nil {
		return nil, err
	}
	u, err := a.store.Find(ctx, Key{ID: id})
	if err != nil {
		return nil, err
	}
	return a.begin(ctx, c, u, "password")
}

// changePassword is the method of that name: it takes the old one and the new, and logs
// out the user's other clients.
func (a *Accounts) changePassword(ctx context.Context, c *server.Call) (any, error) {
	if c.Params.Len() < 2 {
		return nil, errMatch
	}
	if c.UserID == "" {
		return nil, errNobody
	}
	before, known := digestOf(c.Params.At(0))
	after, ok := digestOf(c.Params.At(1))
	if !ok {
		return nil, errMatch
	}
	u, err := a.store.Find(ctx, Key{ID: c.UserID})
	if err != nil && !errors.Is(err, ErrNoUser) {
		return nil, err
	}
	if right := a.matches(u.Password, before); !known || !right {
		return nil, errCredentials
	}
	hash, err := a.hash(after)
	if err != nil {
		return nil, err
	}
	err = a.store.Update(ctx, u.ID, func(now *User) error {
		if now.Password != u.Password {
			return errCredentials // it was changed meanwhile
		}
		now.Password = hash
		return nil
	})
	if err != nil {
		return nil, err
	}
	b, _ := a.binding(c.Session())
	if err := a.removeTokens(ctx, c, u.ID, func(t Token) bool { return t.Hash != b.hash }); err != nil {
		return nil, err
	}
	return ejson.Make().With("passwordChanged", true), nil
}
