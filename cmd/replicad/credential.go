package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
	replica "github.com/replicad/replicad/sync"
)

// credential is what somebody logs in with: a user and a password, or a token. It is
// never printed, and never taken from the command line, which everybody on the machine
// can read.
type credential struct {
	user     string // name, or an address
	password string
	code     string // of an authenticator app, once
	token    string
}

// replica is the credential as package sync takes it.
func (c credential) replica() replica.Credential {
	switch {
	case c.token != "":
		return replica.Token(c.token)
	case strings.Contains(c.user, "@"): // as Meteor's clients tell them apart
		return replica.Password{Email: c.user, Password: c.password, Code: c.code}
	default:
		return replica.Password{User: c.user, Password: c.password, Code: c.code}
	}
}

// account names what is logged in to, and is no secret: a token has the digest that
// servers keep of it too.
func (c credential) account() string {
	if c.token != "" {
		sum := sha256.Sum256([]byte(c.token))
		return "token " + hex.EncodeToString(sum[:])
	}
	return "user " + c.user
}

func (c credential) doc() ejson.Doc {
	var b ejson.Builder
	b.Add("user", ejson.StringValue(c.user))
	b.Add("password", ejson.StringValue(c.password))
	b.Add("code", ejson.StringValue(c.code))
	b.Add("token", ejson.StringValue(c.token))
	return b.Doc()
}

// credentialOf reads what the local API was given. What is wrong with it is told
// without its values.
func credentialOf(d ejson.Doc) (c credential, err error) {
	if err = onlyFields(d, "user", "password", "code", "token"); err != nil {
		return c, err
	}
	for name, to := range map[string]*string{"user": &c.user, "password": &c.password, "code": &c.code, "token": &c.token} {
		v := d.Field(name)
		if v.Kind() != ejson.String && !v.IsMissing() {
			return c, usagef("%s: wants text, got something else", name)
		}
		*to = v.Str()
	}
	if (c.user == "") == (c.token == "") {
		return c, usagef("wants user and password, or token")
	}
	return c, nil
}

// loginFlags say who logs in.
type loginFlags struct {
	user         string
	passwordFile string
	tokenFile    string
}

func (f *loginFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.user, "user", "", "log in as the user of this `NAME`, or address; the password is asked for, or comes from --password-file or REPLICAD_PASSWORD")
	cmd.Flags().StringVar(&f.passwordFile, "password-file", "", "the first line of this `FILE` is the password; - for standard input")
	cmd.Flags().StringVar(&f.tokenFile, "token-file", "", "log in by the token in the first line of this `FILE`; REPLICAD_TOKEN does the same")
	cmd.MarkFlagsMutuallyExclusive("user", "token-file")
	cmd.MarkFlagsMutuallyExclusive("password-file", "token-file")
	_ = cmd.MarkFlagFilename("password-file")
	_ = cmd.MarkFlagFilename("token-file")
}

// asked reports whether the flags, or the environment, want a login.
func (f *loginFlags) asked() bool {
	return f.user != "" || f.passwordFile != "" || f.tokenFile != "" || os.Getenv("REPLICAD_TOKEN") != ""
}

// credential gathers what to log in with. prompt, where there is a terminal, asks for
// what is missing.
func (f *loginFlags) credential(stdin io.Reader, prompt prompter) (c credential, err error) {
	switch {
	case f.user == "" && f.passwordFile != "":
		return c, usagef("--password-file wants --user")
	case f.tokenFile != "":
		c.token, err = firstLine(f.tokenFile, "--token-file", stdin)
		return c, err
	case f.user == "":
		if c.token = os.Getenv("REPLICAD_TOKEN"); c.token == "" {
			return c, usagef("wants --user NAME or --token-file FILE")
		}
		return c, nil
	}
	c.user = f.user
	if f.passwordFile != "" {
		c.password, err = firstLine(f.passwordFile, "--password-file", stdin)
		return c, err
	}
	var given bool
	if c.password, given = os.LookupEnv("REPLICAD_PASSWORD"); given {
		return c, nil
	}
	if prompt == nil {
		return c, usagef("no password for %q: give --password-file FILE, or set REPLICAD_PASSWORD; there is no terminal to ask at", f.user)
	}
	c.password, err = prompt(fmt.Sprintf("password for %s: ", f.user))
	return c, err
}

// firstLine reads the first line of a file, and never tells it.
func firstLine(path, flag string, stdin io.Reader) (string, error) {
	in, _, err := openInput(path, stdin)
	if err != nil {
		return "", fmt.Errorf("%s: %w", flag, err)
	}
	defer in.Close()
	line, err := bufio.NewReader(io.LimitReader(in, 64<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("%s: %w", flag, err)
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", fmt.Errorf("%s %s: its first line is empty", flag, path)
	}
	return line, nil
}

// prompter asks a person for something that is not shown; nil: there is nobody to ask.
type prompter func(question string) (answer string, err error)

// newPrompter asks at stdin, if that is a terminal.
func newPrompter(stdin io.Reader, out io.Writer) prompter {
	f, ok := stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return func(question string) (string, error) {
		fmt.Fprint(out, question)
		text, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(out)
		return string(text), err
	}
}

// loginCollection has one document that says which account the replica's login is of.
// It is the daemon's own, beside those of the replica.
const loginCollection = "replicad.login"

// noteAccount keeps which account a user logged in by.
func noteAccount(ctx context.Context, r *replica.Replica, c credential, user string) error {
	_, err := r.Store().Update(func(tx *store.Tx) error {
		return tx.Put(loginCollection, ejson.Make(
			ejson.Field{Name: "_id", Value: "login"},
			ejson.Field{Name: "account", Value: c.account()},
			ejson.Field{Name: "user", Value: user},
		))
	})
	if err != nil {
		return fmt.Errorf("keep the account's name: %w", err)
	}
	return r.Flush(ctx)
}

// loggedInAs reports whether the replica's file has a login of that account which
// the server has not refused: then nothing is to be done, and the session can go on
// where it was.
func loggedInAs(r *replica.Replica, c credential) bool {
	st := r.Status()
	if st.UserID == "" || st.NeedsLogin {
		return false
	}
	d, ok := r.Store().Snapshot().Get(loginCollection, ejson.StringID("login"))
	return ok && d.Field("account").Str() == c.account() && d.Field("user").Str() == st.UserID
}
