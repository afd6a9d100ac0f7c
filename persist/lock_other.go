//go:build !linux

package persist

// lockHolder returns 0: here a lock does not tell who has it.
func lockHolder(string) int { return 0 }
