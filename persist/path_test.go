//go:build unix

package persist

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSymbolicLink has a link at the path, to nothing at first: the file is made where it
// leads to, and compacted there.
func TestSymbolicLink(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	link, file := filepath.Join(dir, "link.db"), filepath.Join(dir, "data", "replica.db")
	if err := os.Symlink(filepath.Join("data", "replica.db"), link); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	db := mustOpen(t, link, Options{})
	tw := newTwin(41)
	tw.append(t, db, 50)
	mustClose(t, db)
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := Compact(context.Background(), link); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode().Type() != fs.ModeSymlink {
		t.Errorf("the link is %v (%v)", info.Mode(), err)
	}
	if info, err := os.Lstat(file); err != nil || info.Mode() != 0o640 {
		t.Errorf("the file has mode %v (%v)", info.Mode(), err)
	}
	db = mustOpen(t, file, Options{})
	tw.check(t, db)
	mustClose(t, db)
	if left, _ := filepath.Glob(filepath.Join(dir, "data", "*")); len(left) != 1 {
		t.Errorf("%q", left)
	}

	circle := filepath.Join(dir, "circle.db")
	if err := os.Symlink("circle.db", circle); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(context.Background(), circle, Options{}); err == nil || !strings.Contains(err.Error(), circle) {
		t.Errorf("a circle: %v", err)
	}
	lost := filepath.Join(dir, "lost.db")
	if err := os.Symlink("none/replica.db", lost); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(context.Background(), lost, Options{}); err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "none")) {
		t.Errorf("a link into a folder that is not there: %v", err)
	}
}

// TestFolderForbidden names the folder in which a file cannot be made, and not the file
// that was to become it.
func TestFolderForbidden(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "locked")
	if err := os.Mkdir(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if f, err := os.Create(filepath.Join(dir, "probe")); err == nil {
		f.Close()
		t.Skip("this user may write everywhere")
	}
	_, err := Open(context.Background(), filepath.Join(dir, "replica.db"), Options{})
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "no file can be made in the folder") || strings.Contains(err.Error(), ".new-") {
		t.Errorf("%v", err)
	}
}

// TestGone deletes the file while it is open, puts another in its place, and moves it:
// what would be lost is not acknowledged.
func TestGone(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(path string) error
		gone bool
	}{
		{"deleted", os.Remove, true},
		{"replaced", func(path string) error {
			other := path + ".other"
			if err := os.WriteFile(other, []byte("other"), 0o600); err != nil {
				return err
			}
			return os.Rename(other, path)
		}, true},
		{"moved", func(path string) error { return os.Rename(path, filepath.Join(filepath.Dir(path), "moved.db")) }, false},
	} {
		path := tempFile(t)
		db := mustOpen(t, path, Options{Delay: time.Hour})
		if err := db.Append(small(1)); err != nil {
			t.Fatal(err)
		}
		mustFlush(t, db, 1)
		if err := c.do(path); err != nil {
			t.Fatal(err)
		}
		if err := db.Append(small(2)); err != nil {
			t.Fatal(err)
		}
		err := db.Flush(context.Background(), 2)
		if !c.gone {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			mustClose(t, db)
			continue
		}
		if err == nil || !strings.Contains(err.Error(), "deleted or replaced") || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: Flush: %v", c.name, err)
		}
		if db.Err() == nil || db.Durable() != 1 {
			t.Errorf("%s: %v, durable %d", c.name, db.Err(), db.Durable())
		}
		if err := db.Close(); err == nil || !strings.Contains(err.Error(), "1 changes after commit 1 are lost") {
			t.Errorf("%s: Close: %v", c.name, err)
		}
	}
}
