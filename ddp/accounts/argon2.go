package accounts

import (
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// What a stored hash may ask for, so that a broken one does not take all memory.
const (
	argon2Memory = 1 << 20 // KiB
	argon2Passes = 1 << 10
)

// argon2Matches compares a digest with a hash in the text form that all
// implementations share: $argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>.
func argon2Matches(stored, digest string) bool {
	parts := strings.Split(stored, "$")
	if len(parts) != 6 || parts[2] != fmt.Sprint("v=", argon2.Version) {
		return false
	}
	var memory, passes uint32
	var threads uint8
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &threads); n != 3 || err != nil ||
		memory > argon2Memory || passes < 1 || passes > argon2Passes || threads < 1 {
		return false
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	want, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(want) < 16 || len(want) > 64 {
		return false
	}
	var got []byte
	switch parts[1] {
	case "argon2id":
		got = argon2.IDKey([]byte(digest), salt, passes, memory, threads, uint32(len(want)))
	case "argon2i":
		got = argon2.Key([]byte(digest), salt, passes, memory, threads, uint32(len(want)))
	}
	return subtle.ConstantTimeCompare(got, want) == 1
}
