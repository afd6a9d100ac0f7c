package persist

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/replicad/replicad/store"
)

// childEnv makes the test binary a child: "NAME SEED PATH".
const childEnv = "PERSIST_TEST_CHILD"

// children are what a child can be. They return only to fail.
var children = map[string]func(seed uint64, path string) error{"crash": childCrash}

func child() {
	args := strings.Fields(os.Getenv(childEnv))
	seed, _ := strconv.ParseUint(args[1], 10, 64)
	fmt.Println("error", children[args[0]](seed, args[2]))
	os.Exit(3)
}

// childCrash writes on at the end of the file, folding in small steps, and
// prints each Seq that Flush has acknowledged.
func childCrash(seed uint64, path string) error {
	db, err := Open(context.Background(), path, Options{Delay: time.Millisecond, fold: smallFolds})
	if err != nil {
		return err
	}
	tw := newTwin(seed).at(db.Seq())
	r := rand.New(rand.NewPCG(seed, uint64(os.Getpid())))
	for {
		for range 1 + r.IntN(20) {
			if err := db.Append(tw.next()); err != nil {
				return err
			}
		}
		if r.IntN(3) == 0 {
			if err := db.Flush(context.Background(), tw.seq); err != nil {
				return err
			}
			fmt.Println("durable", tw.seq)
		}
	}
}

func startChild(t *testing.T, args ...any) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+strings.TrimSpace(fmt.Sprintln(args...)))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

// A child is killed at random moments. Its file always holds a prefix of Seq,
// and at least what Flush acknowledged.
func TestKilled(t *testing.T) {
	seed := randomSeed(t)
	r := rand.New(rand.NewPCG(seed, 1))
	const kills, fresh = 60, 10
	var path string
	var acknowledged store.Seq
	var tw *twin
	for i := range kills {
		if i%fresh == 0 { // begin anew, so that making the file is hit as well
			path = tempFile(t)
			acknowledged = 0
			tw = newTwin(seed + uint64(i))
		}
		cmd, lines := startChild(t, "crash", tw.seed, path)
		// Killed at some moment after some acknowledgement; or at some moment
		// after its start, which may be before the file is there.
		timer := time.AfterFunc(time.Duration(r.IntN(20_000))*time.Microsecond, func() { cmd.Process.Kill() })
		if after := r.IntN(6); i%fresh > 0 && after > 0 {
			timer.Stop()
			for range after {
				if lines.Scan() {
					acknowledged = note(t, lines.Text(), acknowledged)
				}
			}
			time.AfterFunc(time.Duration(r.IntN(6000))*time.Microsecond, func() { cmd.Process.Kill() })
		}
		for lines.Scan() {
			acknowledged = note(t, lines.Text(), acknowledged)
		}
		cmd.Wait()

		db := mustOpen(t, path, Options{})
		if db.Seq() < acknowledged {
			t.Fatalf("seed %d: the file ends at %d, though %d was acknowledged", tw.seed, db.Seq(), acknowledged)
		}
		for tw.seq < db.Seq() {
			tw.next()
		}
		if tw.seq > db.Seq() {
			tw = tw.at(db.Seq())
		}
		tw.check(t, db)
		mustClose(t, db)
	}
	t.Logf("%d kills, last at commit %d", kills, tw.seq)
}

func note(t *testing.T, line string, acknowledged store.Seq) store.Seq {
	t.Helper()
	n, ok := strings.CutPrefix(line, "durable ")
	if !ok {
		t.Fatalf("the child says: %s", line)
	}
	seq, err := strconv.ParseUint(n, 10, 64)
	if err != nil { // cut off by the kill
		return acknowledged
	}
	return max(acknowledged, store.Seq(seq))
}
