package accounts

import (
	"context"
	"crypto/subtle"
	"errors"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"
	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
)

// As the apps on people's phones have it.
const totpPeriod = 30 // seconds

var (
	errNoCode    = &ddp.Error{Code: "no-2fa-code", Reason: "2FA code must be informed"}
	errWrongCode = &ddp.Error{Code: "invalid-2fa-code", Reason: "Invalid 2FA code"}
	errNoSecret  = &ddp.Error{Code: "2fa-not-generated", Reason: "Ask for a secret first"}
	errHas2FA    = &ddp.Error{Code: "2fa-activated", Reason: "The 2FA is activated. You need to disable the 2FA first before trying to generate a new activation code."}
)

// secondFactor adds the methods by which people set up a second factor. Their names are
// Meteor's; instead of a drawn code there is the URI that is to be drawn.
func (a *Accounts) secondFactor(srv *server.Server) {
	srv.Method("generate2faActivationQrCode", a.generateSecret)
	srv.Method("enableUser2fa", func(ctx context.Context, c *server.Call) (any, error) {
		return nil, a.enable(ctx, c)
	})
	srv.Method("disableUser2fa", func(ctx context.Context, c *server.Call) (any, error) {
		if c.UserID == "" {
			return nil, errNobody
		}
		return nil, a.store.Update(ctx, c.UserID, func(u *User) error { u.TOTP, u.TOTPNew = "", ""; return nil })
	})
	srv.Method("has2faEnabled", func(ctx context.Context, c *server.Call) (any, error) {
		if c.UserID == "" {
			return nil, errNobody
		}
		u, err := a.store.Find(ctx, Key{ID: c.UserID})
		return u.TOTP != "", err
	})
}

// generateSecret gives a user a secret, which counts once they have shown a code of it.
func (a *Accounts) generateSecret(ctx context.Context, c *server.Call) (any, error) {
	if c.UserID == "" {
		return nil, errNobody
	}
	u, err := a.store.Find(ctx, Key{ID: c.UserID})
	if err != nil {
		return nil, err
	}
	name := u.Username
	if name == "" && len(u.Emails) > 0 {
		name = u.Emails[0].Address
	}
	issuer := ""
	if c.Params.Len() > 0 {
		issuer = c.Params.At(0).Str()
	}
	if issuer == "" {
		issuer = "DDP"
	}
	key, err := totp.Generate(totp.GenerateOpts{Issuer: issuer, AccountName: name})
	if err != nil {
		return nil, err
	}
	err = a.store.Update(ctx, u.ID, func(u *User) error {
		if u.TOTP != "" {
			return errHas2FA
		}
		u.TOTPNew = key.Secret()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ejson.Make().With("secret", key.Secret()).With("uri", key.URL()), nil
}

// enable makes the new secret the user's, given a code of it.
func (a *Accounts) enable(ctx context.Context, c *server.Call) error {
	if c.UserID == "" {
		return errNobody
	}
	code := ""
	if c.Params.Len() > 0 {
		code = c.Params.At(0).Str()
	}
	return a.store.Update(ctx, c.UserID, func(u *User) error {
		if u.TOTPNew == "" {
			return errNoSecret
		}
		step, ok := stepOf(u.TOTPNew, code, time.Now())
		if !ok {
			return errWrongCode
		}
		u.TOTP, u.TOTPNew, u.TOTPStep = u.TOTPNew, "", step
		return nil
	})
}

// checkCode checks a code of a user's second factor, and uses it up.
func (a *Accounts) checkCode(ctx context.Context, userID string, v ejson.Value) error {
	if v.IsMissing() || v.Kind() == ejson.Null || v.Kind() == ejson.String && v.Str() == "" {
		return errNoCode
	}
	err := a.store.Update(ctx, userID, func(u *User) error {
		now := time.Now()
		step, ok := stepOf(u.TOTP, v.Str(), now)
		// A code that was used in the future was used when a clock went wrong. It must not
		// lock its user out until then.
		used := u.TOTPStep <= now.Unix()/totpPeriod+1 && step <= u.TOTPStep
		if !ok || used {
			return errWrongCode
		}
		u.TOTPStep = step
		return nil
	})
	if errors.Is(err, ErrNoUser) {
		return errCredentials
	}
	return err
}

// stepOf returns for which period a code is the secret's: this one, the one before, or
// the one after, since clocks differ.
func stepOf(secret, code string, now time.Time) (step int64, ok bool) {
	at := now.Unix() / totpPeriod
	for s := at - 1; s <= at+1; s++ {
		want, err := hotp.GenerateCodeCustom(secret, uint64(s), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			step, ok = s, true
		}
	}
	return step, ok
}
