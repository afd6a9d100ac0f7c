// Package accounts lets people log in to a [server.Server] as Meteor's clients do it:
// by password, by the token of an earlier login, by a second factor, and by handlers of
// the server's owner. It keeps accounts in a [Store], which is the owner's too; a
// [Memory] is here for tests and examples.
//
// # What is kept
//
// Nothing by which anyone could log in. Of a password, the bcrypt hash of its SHA-256
// digest in hex, as Meteor stores it (hashes by argon2, which newer Meteors make if they
// are told to, are understood); of a token, its SHA-256 digest. The secret of a
// second factor has to be kept as it is: encrypt it in the store if that is not safe.
//
// # What is told
//
// Who cannot log in is not told why: an unknown name, a wrong password and an account
// without one give the same error after the same work. The exception is the second
// factor: that a code is missing is told once the password was right, as clients need
// it.
//
// # Tokens and sessions
//
// A login gives a token, good for Options.TokenLife; to log in with one that is past
// half of it begins its life anew. A session belongs to the token by which it logged in:
// when the token is deleted (by logout, by a change of password, by "log out other
// clients", by [Accounts.LogOut]), all sessions that belong to it are closed, but for
// the one that asked; and all when it expires. Where a store is changed by others, [Accounts.Refresh] looks.
//
// # Methods and publications
//
// [New] adds the methods login, logout, getNewToken, removeOtherTokens, changePassword,
// generate2faActivationQrCode, enableUser2fa, disableUser2fa, has2faEnabled and, if
// asked to, createUser, and a universal publication of the user's own document in the
// collection users.
package accounts
