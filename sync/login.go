package sync

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// loginAsk is a Login or Logout of the program's, or the replica's own login on a new
// connection. The loop owns it; user and err are for everybody once done is closed.
type loginAsk struct {
	method string
	params ejson.Array
	out    bool   // a logout
	again  bool   // the replica's own
	as     string // whom the replica's own is for
	from   uint64 // the last call made before it

	done chan struct{}
	user string
	err  error
}

func (l *loop) finishLogin(a *loginAsk, user string, err error) {
	a.user, a.err = user, err
	l.over = append(l.over, a.done)
}

// loginCall is a login on its way.
type loginCall struct {
	ask     *loginAsk
	id      string
	until   time.Time
	result  *ddp.Result
	updated bool
}

// loginTimeout is how long a login may take. A server that does not answer within a
// method's usual time will not, and meanwhile nothing else is sent.
const loginTimeout = 20 * time.Second

// login takes a Login or Logout.
func (l *loop) login(a *loginAsk) {
	a.from = l.lastCall
	if a.out {
		l.assume(identity{})
		l.log.Info("sync: logged out")
		if l.session == nil {
			l.finishLogin(a, "", nil)
			return
		}
	}
	l.logins = append(l.logins, a)
	if s := l.session; s != nil {
		l.nextLogin(s)
	}
}

// withdraw is for who does not wait any more.
func (l *loop) withdraw(a *loginAsk) {
	if s := l.session; s != nil && s.login != nil && s.login.ask == a {
		return // what the server says counts
	}
	l.logins = slices.DeleteFunc(l.logins, func(other *loginAsk) bool { return other == a })
}

// nextLogin sends the login that is to be sent, if any, and otherwise lets the session
// go on, or wait for one.
func (l *loop) nextLogin(s *session) {
	if s.login != nil {
		return
	}
	me := &l.me
	var a *loginAsk
	switch {
	case len(l.logins) > 0:
		a = l.logins[0]
	case me.needs || s.user == me.user:
	case me.user == "":
		a = &loginAsk{method: "logout", out: true, again: true, done: make(chan struct{})}
	case me.token != "":
		a = &loginAsk{method: "login", again: true, as: me.user, done: make(chan struct{})}
		a.params = ejson.MakeArray(map[string]any{"resume": me.token})
	case me.method != "":
		a = &loginAsk{method: me.method, params: me.params, again: true, as: me.user, done: make(chan struct{})}
	default:
		l.needLogin(errors.New("there is no token"))
	}
	if a != nil {
		l.sendLogin(s, a)
	}
	l.goOn(s)
}

// goOn begins what a session is for, unless it has, or must wait for a login.
func (l *loop) goOn(s *session) {
	if s.begun {
		return
	}
	if l.me.needs || s.login != nil && !s.login.ask.again {
		if s.resumed { // its data are no full set; a new one's will be
			l.forgetPosition(true)
			s.final = true
			if l.me.needs {
				l.lose(s, ErrNeedsLogin)
				return
			}
			l.log.Info("sync: a new session for the login")
			l.hangUp(s)
			l.dial()
			return
		}
		if s.view == nil && l.resync {
			s.view = newView(l.store.Snapshot())
		}
		l.enter(Catching, nil)
		return
	}
	if s.resumed {
		l.resume(s)
	} else {
		l.start(s)
	}
}

// sendLogin sends a login. Nothing else is sent after it but subscriptions, which the
// server handles behind it.
func (l *loop) sendLogin(s *session, a *loginAsk) {
	s.login = &loginCall{ask: a, id: uuid.NewString(), until: time.Now().Add(loginTimeout)}
	m := ddp.Method{ID: s.login.id, Name: a.method, Params: a.params}
	if s.conn.Session() != l.at.Session || l.r.db == nil {
		l.forgetPosition(false)
		s.out = append(s.out, m)
		return
	}
	// The server will take the session to be another's, so nobody may take it up from
	// here on as it was.
	l.forgetPosition(false)
	s.held = append(s.held, heldBack{m, l.seq})
	l.nudge(l.seq)
}

// loginAnswered takes the result, or with nil updated, of a login.
func (l *loop) loginAnswered(s *session, m *ddp.Result) {
	c := s.login
	if m == nil {
		c.updated = true
	} else if c.result == nil {
		c.result = m
	}
	if c.result == nil || !c.updated {
		return
	}
	s.login = nil
	a := c.ask
	if !a.again {
		l.logins = slices.DeleteFunc(l.logins, func(other *loginAsk) bool { return other == a })
	}
	switch {
	case a.out:
		s.user = ""
		l.finishLogin(a, "", nil)
		if err := c.result.Err; err != nil { // then another connection will do it
			l.lose(s, fmt.Errorf("sync: logout refused: %w", err))
			return
		}
	case c.result.Err != nil:
		if a.again && l.me.user != "" && !l.loginRefused(s, c.result.Err) {
			return // the session is lost
		}
		l.finishLogin(a, "", c.result.Err)
	default:
		user, err := l.loggedIn(s, a, docOf(c.result.Value))
		l.finishLogin(a, user, err)
		if a.again && a.err != nil { // as if it had been refused
			if errors.Is(a.err, errStranger) {
				l.needLogin(a.err)
			}
			l.lose(s, a.err)
			return
		}
	}
	l.nextLogin(s)
	s.unblocked()
	l.settle(s)
}

// loggedIn takes what the server said of a user.
func (l *loop) loggedIn(s *session, a *loginAsk, said ejson.Doc) (string, error) {
	next, err := identityFrom(said, time.Now())
	if err != nil {
		return "", err
	}
	if next.token == "" {
		next.method, next.params = a.method, a.params
	}
	s.user = next.user
	switch {
	case !a.again || l.me.user == next.user:
	case l.me.user == a.as:
		return "", errStranger
	default:
		return "", nil // logged out meanwhile
	}
	if l.me.user != next.user {
		l.log.Info("sync: logged in", "user", next.user)
	}
	if l.me.user == "" && !a.again {
		// What nobody did while the login was on its way was done by the user.
		for _, c := range l.entries {
			if c.user == "" && c.order > a.from {
				latest := l.latest[c.squashKey()] == c
				if latest {
					delete(l.latest, c.squashKey())
				}
				c.user = next.user
				if latest {
					l.follow(c)
				}
				l.recordCalls(c)
			}
		}
		for _, c := range l.calls {
			if c.kept == nil && c.user == "" && !c.sent {
				c.user = next.user
			}
		}
	}
	l.assume(next)
	return next.user, nil
}

// loginRefused is for the replica's own login; it reports whether the session lives.
func (l *loop) loginRefused(s *session, err *ddp.Error) bool {
	switch err.Code {
	case "400", "401", "403":
		l.needLogin(err)
	}
	// Subscriptions went out behind it, and are answered as for nobody. The next
	// connection begins with that knowledge: what the user has stays as it is.
	l.lose(s, fmt.Errorf("sync: login refused: %w", err))
	return false
}

// needLogin parks all that is done in the user's name until a Login or Logout.
func (l *loop) needLogin(why error) {
	l.log.Warn("sync: login needed", "user", l.me.user, "outbox", len(l.entries)-len(l.failed), "err", why)
	me := identity{user: l.me.user, needs: true}
	l.assume(me)
}

// assume changes the identity, and with it which calls may be sent.
func (l *loop) assume(me identity) {
	l.me = me
	l.status.UserID, l.status.NeedsLogin, l.dirty = me.user, me.needs, true
	if err := l.update(func(tx *store.Tx) error { return l.recordIdentity(tx) }); err != nil {
		l.log.Error("sync: login not recorded", "err", err)
	}
	l.align()
}

// loginLate is for a login that is not answered.
func (l *loop) loginLate(s *session) {
	a := s.login.ask
	if !a.again {
		l.logins = slices.DeleteFunc(l.logins, func(other *loginAsk) bool { return other == a })
		l.finishLogin(a, "", ErrLoginTimeout)
	}
	l.lose(s, ErrLoginTimeout)
}

// loseLogin is for the end of a session: a new one belongs to nobody.
func (l *loop) loseLogin() {
	l.logins = slices.DeleteFunc(l.logins, func(a *loginAsk) bool {
		if a.out {
			l.finishLogin(a, "", nil)
		}
		return a.out
	})
}

// renew asks for a token that lives longer.
func (l *loop) renew() {
	l.me.renew = time.Time{}
	c := newCall(Method{Name: "getNewToken"}, ejson.Array{})
	c.then = func(v ejson.Value, err error) {
		next, bad := identityFrom(docOf(v), time.Now())
		if err = errors.Join(err, bad); err != nil || next.user != l.me.user || next.token == "" {
			l.log.Info("sync: the login's token could not be renewed", "expires", l.me.expires, "err", err)
			return
		}
		l.assume(next)
	}
	if err := l.call(c); err != nil {
		l.log.Info("sync: the login's token could not be renewed", "expires", l.me.expires, "err", err)
	}
}

// renewAt returns when to renew the token; zero: not now.
func (l *loop) renewAt() time.Time {
	if s := l.session; s == nil || s.login != nil || !s.begun || l.me.user == "" || s.user != l.me.user {
		return time.Time{}
	}
	return l.me.renew
}
