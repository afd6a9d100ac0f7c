//go:build unix

package persist

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

func init() { children["fill"] = childFill }

// The disk is full: Flush and Err say so, nothing is lost in memory, and when
// there is room again everything is written. The child stands for a process on
// such a disk: it may not make a file larger than a limit, which it lifts when it
// is told to.
func TestDiskFull(t *testing.T) {
	path := tempFile(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=fill 7 "+path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	expect := func(prefix string) {
		t.Helper()
		if !lines.Scan() || !strings.HasPrefix(lines.Text(), prefix) {
			t.Fatalf("the child says %q, want %q", lines.Text(), prefix)
		}
	}
	expect("full")
	// What the disk holds while it is full is a prefix.
	copied := path + ".copy"
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(copied, b, 0o600); err != nil {
		t.Fatal(err)
	}
	db := mustOpen(t, copied, Options{})
	newTwin(7).at(db.Seq()).check(t, db)
	mustClose(t, db)

	fmt.Fprintln(in, "room")
	expect("done")
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	db = mustOpen(t, path, Options{})
	defer db.Close()
	newTwin(7).at(db.Seq()).check(t, db)
	if db.Seq() < 400 {
		t.Errorf("the file ends at %d", db.Seq())
	}
}

func childFill(seed uint64, path string) error {
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	small := limit
	small.Cur = 1 << 20
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small); err != nil {
		return err
	}
	db, err := Open(context.Background(), path, Options{Delay: time.Millisecond, fold: smallFolds})
	if err != nil {
		return err
	}
	tw := newTwin(seed)
	for err == nil {
		for range 20 {
			if err := db.Append(tw.next()); err != nil {
				return err
			}
		}
		err = db.Flush(context.Background(), tw.seq)
	}
	if !errors.Is(err, syscall.EFBIG) && !strings.Contains(err.Error(), "file too large") {
		return fmt.Errorf("Flush: %w", err)
	}
	if db.Err() == nil || db.Durable() >= tw.seq || !strings.Contains(err.Error(), path) {
		return fmt.Errorf("Err %w, Durable %d, Flush %w", db.Err(), db.Durable(), err)
	}
	// It goes on taking commits, and tries again for each Flush.
	for range 200 {
		if err := db.Append(tw.next()); err != nil {
			return err
		}
	}
	if err := db.Flush(context.Background(), tw.seq); err == nil {
		return errors.New("the second Flush succeeded")
	}
	fmt.Println("full", err)
	bufio.NewScanner(os.Stdin).Scan()
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	for tw.seq < 400 {
		if err := db.Append(tw.next()); err != nil {
			return err
		}
	}
	if err := db.Flush(context.Background(), tw.seq); err != nil {
		return fmt.Errorf("with room again: %w", err)
	}
	if err := errors.Join(db.Err(), db.Close()); err != nil {
		return err
	}
	fmt.Println("done")
	os.Exit(0)
	return nil
}
