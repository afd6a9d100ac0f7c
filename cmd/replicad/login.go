package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	replica "github.com/replicad/replicad/sync"
)

// codeMissing is the error of Meteor's servers for an account with a second factor.
const codeMissing = "no-2fa-code"

func newLogin() *cobra.Command {
	var flags loginFlags
	var addr string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "login --user NAME | --token-file FILE",
		Short: "Log the daemon in to the server",
		Long: `login has the daemon log in to its server. The server's token is kept in the
daemon's file, and used on every connection from then on; the password is not
kept. It is asked for at the terminal, unless it comes from --password-file or
REPLICAD_PASSWORD, and so is the one-time code of an account with a second
factor. Neither is ever printed, or taken from the command line.

Without a connection to the server, login waits for one, --timeout at most.`,
		Example: `  replicad login --user alice
  replicad login --user alice@todos.example --password-file ~/.todos
  replicad login --token-file token.txt`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			prompt := newPrompter(cmd.InOrStdin(), cmd.ErrOrStderr())
			c, err := flags.credential(cmd.InOrStdin(), prompt)
			if err != nil {
				return err
			}
			d, err := newAPIClient(addr, timeout)
			if err != nil {
				return err
			}
			user, err := loginAsking(ctx, d.login, c, prompt)
			if err == nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "logged in; the user's id is %s\n", user)
			}
			return errors.Join(err, d.close())
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&addr, "addr", defaultAddr, "the daemon's address")
	cmd.Flags().DurationVar(&timeout, "timeout", 30*time.Second, "longest wait for the server's answer")
	return cmd
}

func newLogout() *cobra.Command {
	var addr string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "logout",
		Short: "Log the daemon out, and forget the token",
		Long: `logout has the daemon forget its user and the server's token, at once, and ends
the login at the server if there is a connection. Calls of the outbox that the
user made stay, parked, until the same user logs in again.`,
		Example: `  replicad logout`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := newAPIClient(addr, timeout)
			if err != nil {
				return err
			}
			return errors.Join(d.logout(cmd.Context()), d.close())
		},
	}
	cmd.Flags().StringVar(&addr, "addr", defaultAddr, "the daemon's address")
	cmd.Flags().DurationVar(&timeout, "timeout", 10*time.Second, "longest wait for the daemon's answer")
	return cmd
}

func newReconnect() *cobra.Command {
	var addr string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "reconnect",
		Short: "Have the daemon dial its server now",
		Long: `reconnect has the daemon dial its server now, instead of when the next try is
due, which may be minutes away where the server was gone for long. It does not
wait for the connection: see 'replicad status'. Connected, it does nothing.`,
		Example: `  replicad reconnect`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := newAPIClient(addr, timeout)
			if err != nil {
				return err
			}
			return errors.Join(d.reconnect(cmd.Context()), d.close())
		},
	}
	cmd.Flags().StringVar(&addr, "addr", defaultAddr, "the daemon's address")
	cmd.Flags().DurationVar(&timeout, "timeout", 10*time.Second, "longest wait for the daemon's answer")
	return cmd
}

// loginAsking logs in, and asks for the code of the second factor where the server wants
// one and there is somebody to ask.
func loginAsking(ctx context.Context, login func(context.Context, credential) (string, error), c credential, prompt prompter) (string, error) {
	user, err := login(ctx, c)
	var refused *ddp.Error
	if !errors.As(err, &refused) || refused.Code != codeMissing {
		return user, err
	}
	if prompt == nil {
		return "", fmt.Errorf("%w; the account has a second factor: run 'replicad login' at a terminal, which asks for the code", err)
	}
	if c.code, err = prompt("one-time code: "); err != nil {
		return "", err
	}
	return login(ctx, c)
}

// loginDaemon logs a daemon in with what it was started with. It waits for the server,
// and is over when the server has answered, or ctx is done.
func loginDaemon(ctx context.Context, stderr io.Writer, d *replicaDesk, c credential, prompt prompter) error {
	for {
		user, err := loginAsking(ctx, d.login, c, prompt)
		var refused *ddp.Error
		switch {
		case err == nil:
			fmt.Fprintf(stderr, "logged in; the user's id is %s\n", user)
			return nil
		case ctx.Err() != nil, errors.Is(err, replica.ErrClosed):
			return nil
		case errors.Is(err, replica.ErrLoginTimeout):
			// The connection is given up; the login goes first on the next one.
			fmt.Fprintln(stderr, "the server did not answer the login; it is sent again")
		case errors.As(err, &refused) && refused.Code == "too-many-requests":
			after := resetTime(refused)
			fmt.Fprintf(stderr, "login: %s; next try in %v\n", printable(err.Error()), round(after))
			select {
			case <-time.After(after):
			case <-ctx.Done():
				return nil
			}
		default:
			return fmt.Errorf("login: %w", err)
		}
	}
}

// keepLogin logs in again by password when the server does not accept the token any
// more, and asks for what was refused to nobody, or to somebody else, when somebody has
// logged in. What a person or a token is needed for, it says. It ends with ctx.
func keepLogin(ctx context.Context, stderr io.Writer, d *replicaDesk, subs *heldSubs, c credential) {
	needed, user := false, ""
	for st := range d.replica.Statuses(ctx) {
		if !st.NeedsLogin && st.UserID != user {
			user = st.UserID
			subs.again(ctx)
		}
		was := needed
		if needed = st.NeedsLogin; !needed || was {
			continue
		}
		fmt.Fprintln(stderr, "login needed: the server does not accept the token any more; until then nothing is sent to it")
		if c.password != "" && c.code == "" {
			err := loginDaemon(ctx, stderr, d, c, nil)
			if err == nil {
				continue
			}
			fmt.Fprintln(stderr, printable(err.Error()))
		}
		fmt.Fprintln(stderr, "log in with 'replicad login', or give the user up with 'replicad logout'")
	}
}

// resetTime is how long a server's rate limit asks to wait.
func resetTime(err *ddp.Error) time.Duration {
	const otherwise = 10 * time.Second // Meteor's window
	d, ok := err.Details.(ejson.Doc)
	if !ok {
		return otherwise
	}
	ms := d.Field("timeToReset")
	if ms.Kind() != ejson.Number || !(ms.Number() >= 0 && ms.Number() < 1e7) {
		return otherwise
	}
	return time.Duration(ms.Number()*float64(time.Millisecond)) + time.Millisecond
}
