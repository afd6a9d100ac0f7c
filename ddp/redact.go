package ddp

import "bytes"

// Redact writes the frame at the end of b, with what must not be read in a log hidden:
// the parameters of the methods by which people log in or change a password, and
// everywhere the values of keys that hold passwords, tokens and session ids, and URIs
// with the secret of a second factor. It returns the longer slice and does not keep the
// frame. It is for people: what it gives is a message still, where the frame was one.
func Redact(b, frame []byte) []byte {
	r := redactor{in: frame, out: b, private: isPrivate(frame)}
	r.run()
	return r.out
}

const hidden = `"(hidden)"`

// secrets are the keys whose values are hidden. tokenExpires and the like are not.
var secrets = map[string]bool{
	"password": true, "newPassword": true, "oldPassword": true, "digest": true, "bcrypt": true,
	"token": true, "resume": true, "hashedToken": true, "secret": true, "session": true,
	"credentialToken": true, "credentialSecret": true, "accessToken": true, "refreshToken": true,
	"idToken": true, "authorization": true, "session_id": true,
}

// private are the methods whose parameters are hidden altogether.
var private = [][]byte{
	[]byte(`"login"`), []byte(`"createUser"`), []byte(`"changePassword"`), []byte(`"resetPassword"`),
	[]byte(`"verifyEmail"`), []byte(`"enrollAccount"`), []byte(`"setPassword"`),
	[]byte(`"enableUser2fa"`), []byte(`"disableUser2fa"`),
}

// isPrivate reports whether the frame names one of those methods. The word can stand
// elsewhere, too; then more is hidden than need be.
func isPrivate(frame []byte) bool {
	for _, name := range private {
		if bytes.Contains(frame, name) {
			return true
		}
	}
	// A name can be written with escapes, and so can the keys before it.
	return bytes.Contains(frame, []byte(`\u`))
}

// redactor copies JSON text from in to out. It takes any bytes.
type redactor struct {
	in, out []byte
	at      int
	private bool
}

func (r *redactor) run() {
	for r.at < len(r.in) {
		if r.in[r.at] != '"' {
			r.out = append(r.out, r.in[r.at])
			r.at++
			continue
		}
		text := r.in[r.at:r.text()]
		r.at += len(text)
		if bytes.Contains(text, []byte("otpauth:")) {
			r.out = append(r.out, hidden...)
			continue
		}
		r.out = append(r.out, text...)
		if !r.isKey() || !r.hides(text) {
			continue
		}
		for r.in[r.at] != ':' {
			r.at++
		}
		r.out = append(r.out, ':')
		r.at++
		r.skipSpace()
		// A key with nothing behind it is no message; it stays as it is.
		if end := r.value(); end > r.at {
			r.out = append(r.out, hidden...)
			r.at = end
		}
	}
}

// hides reports whether what stands behind the key is not to be shown.
func (r *redactor) hides(key []byte) bool {
	name := string(key)
	if bytes.IndexByte(key, '\\') >= 0 {
		if s, err := unquote(key); err == nil {
			return secrets[s] || r.private && s == "params"
		}
	}
	if len(name) < 2 {
		return false
	}
	name = name[1 : len(name)-1]
	return secrets[name] || r.private && name == "params"
}

// text returns the end of the string that begins here.
func (r *redactor) text() int {
	for i := r.at + 1; i < len(r.in); i++ {
		switch r.in[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(r.in)
}

// isKey reports whether a colon follows.
func (r *redactor) isKey() bool {
	i := r.at
	for i < len(r.in) && isSpace(r.in[i]) {
		i++
	}
	return i < len(r.in) && r.in[i] == ':'
}

func (r *redactor) skipSpace() {
	for r.at < len(r.in) && isSpace(r.in[r.at]) {
		r.at++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// value returns the end of the value that begins here.
func (r *redactor) value() int {
	was, depth := r.at, 0
	defer func() { r.at = was }()
	for r.at < len(r.in) {
		switch c := r.in[r.at]; {
		case c == '"':
			r.at = r.text() - 1
		case c == '[' || c == '{':
			depth++
		case depth == 0 && (c == ',' || c == ']' || c == '}'):
			return r.at
		case c == ']' || c == '}':
			if depth--; depth == 0 {
				return r.at + 1
			}
		}
		r.at++
	}
	return len(r.in)
}
