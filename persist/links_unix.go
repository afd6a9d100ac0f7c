//go:build unix

package persist

import (
	"os"
	"syscall"
)

// named reports whether a file still has a name.
func named(info os.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return !ok || st.Nlink > 0
}
