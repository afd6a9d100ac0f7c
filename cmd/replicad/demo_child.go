package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// child is a daemon in a process of its own.
type child struct {
	cmd    *exec.Cmd
	addr   string // of its local API
	client *apiClient
	wg     sync.WaitGroup

	mu  sync.Mutex // guards log
	log strings.Builder
}

// apiLine begins the line on which a daemon tells its address.
const apiLine = "api http://"

// startChild starts this program again with args, and waits until it tells the
// address of its API.
func startChild(ctx context.Context, args ...string) (*child, error) {
	self, err := exec.LookPath(os.Args[0])
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.Command(self, args...)}
	stderr, err := c.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	told := make(chan string, 1)
	c.wg.Go(func() { c.read(stderr, told) })
	select {
	case c.addr = <-told:
	case <-ctx.Done():
	}
	if c.addr == "" {
		c.kill()
		return nil, fmt.Errorf("the replica's process told no address; it said: %s", c.said())
	}
	if c.client, err = newAPIClient(c.addr, time.Minute); err != nil {
		c.kill()
		return nil, err
	}
	return c, nil
}

// read keeps what the child says, and finds its address in it.
func (c *child) read(r io.Reader, told chan<- string) {
	defer close(told)
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		c.mu.Lock()
		fmt.Fprintln(&c.log, line)
		c.mu.Unlock()
		if addr, ok := strings.CutPrefix(line, apiLine); ok {
			select {
			case told <- addr:
			default:
			}
		}
	}
}

// said returns what the child has said.
func (c *child) said() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.TrimSpace(c.log.String())
}

// kill ends the process at once with SIGKILL and waits for it.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	c.wg.Wait()
	_ = c.cmd.Wait() // it was killed: its exit tells nothing
}

// stop asks the process to end, and waits for it.
func (c *child) stop() error {
	if err := c.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	c.wg.Wait()
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("the replica's process: %w; it said: %s", err, c.said())
	}
	return nil
}
