//go:build unix

package persist

import (
	"os"
	"syscall"
)

// giveTo gives a file to the owner and the group of another.
func giveTo(path string, info os.FileInfo) error {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return os.Chown(path, int(st.Uid), int(st.Gid))
	}
	return nil
}

// named reports whether a file still has a name.
func named(info os.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return !ok || st.Nlink > 0
}
