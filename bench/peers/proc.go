package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/replicad/replicad/bench/peers/peer"
)

// proc is the process of one peer. It is started when it is first asked, and again
// after it was killed for taking too long.
type proc struct {
	name  string
	argv  []string
	n     int
	dir   string
	hello peer.Reply

	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan []byte
	said  *tail
	gone  error // why it cannot be asked any more
}

// tail keeps the last of what a process says on its standard error.
type tail struct{ text []byte }

func (t *tail) Write(p []byte) (int, error) {
	if t.text = append(t.text, p...); len(t.text) > 4000 {
		t.text = t.text[len(t.text)-2000:]
	}
	return len(p), nil
}

// start runs the process and has it make the data.
func (p *proc) start(ctx context.Context) error {
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, p.argv[0], append(p.argv[1:], strconv.Itoa(p.n))...)
	cmd.Env = append(os.Environ(), "NODE_ENV=production")
	p.said = &tail{}
	cmd.Stderr = p.said
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	p.cmd, p.in, p.lines = cmd, in, make(chan []byte, 1)
	go func(lines chan<- []byte) {
		defer close(lines)
		r := bufio.NewReader(out)
		for {
			line, err := r.ReadBytes('\n')
			if err != nil {
				return
			}
			lines <- line
		}
	}(p.lines)
	p.hello, err = p.exchange(peer.Request{Op: "hello", Dir: p.dir}, 3*time.Minute)
	return err
}

// load has it load the data, which is timed.
func (p *proc) load() (peer.Reply, error) {
	return p.exchange(peer.Request{Op: "time", Work: "W1"}, 3*time.Minute)
}

// ask sends a request and returns the reply. A process that does not answer in time
// is killed, and started anew for the next request.
func (p *proc) ask(ctx context.Context, q peer.Request, within time.Duration) (peer.Reply, error) {
	if p.gone != nil {
		return peer.Reply{}, p.gone
	}
	if p.cmd == nil {
		if err := p.start(ctx); err != nil {
			p.kill()
			p.gone = fmt.Errorf("it does not start: %w", err)
			return peer.Reply{}, p.gone
		}
		if _, err := p.load(); err != nil {
			return peer.Reply{}, err
		}
	}
	return p.exchange(q, within)
}

func (p *proc) exchange(q peer.Request, within time.Duration) (r peer.Reply, err error) {
	line, err := json.Marshal(q)
	if err != nil {
		return r, err
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return r, p.died()
	}
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case answer, ok := <-p.lines:
		if !ok {
			return r, p.died()
		}
		if err := json.Unmarshal(answer, &r); err != nil {
			return r, err
		}
		if r.Error != "" {
			return r, fmt.Errorf("%s", r.Error)
		}
		return r, nil
	case <-timer.C:
		p.kill()
		return r, fmt.Errorf("not done in %v", within)
	}
}

// died returns the last that a dead process said.
func (p *proc) died() error {
	p.kill()
	lines := strings.Split(strings.TrimSpace(string(p.said.text)), "\n")
	return fmt.Errorf("it died: %.200s", lines[len(lines)-1])
}

func (p *proc) kill() {
	if p.cmd == nil {
		return
	}
	p.in.Close()
	p.cmd.Process.Kill()
	for range p.lines { // until its output ends
	}
	p.cmd.Wait()
	p.cmd = nil
}

func (p *proc) can(work string) bool {
	for _, w := range p.hello.Works {
		if w == work {
			return true
		}
	}
	return false
}
