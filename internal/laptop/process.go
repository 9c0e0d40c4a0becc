package laptop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a server. The server outlives the command.
type process struct {
	// name is the name of the server and of the log, <directory>/<name>.log.
	name string
	// command is the program and its arguments.
	command []string
	// environment has all variables of the server. A server inherits no variable, so a
	// missing variable of the template is also missing on the laptop.
	environment []string
	// directory is the folder of the log.
	directory string
	// ready returns nil after the start of the server.
	ready func(ctx context.Context) error
	// tied ends the server at the end of the process that started the server.
	tied bool
}

const (
	pollEvery   = 25 * time.Millisecond
	stopTimeout = 10 * time.Second
)

// start starts the process in its own session and waits until the server is ready. The
// error of an early end has the last line of the log.
func (p process) start(ctx context.Context) (pid int, err error) {
	logPath := filepath.Join(p.directory, p.name+".log")
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return 0, fmt.Errorf("start %s: %w", p.name, err)
	}
	defer log.Close()
	cmd := exec.Command(p.command[0], p.command[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = p.environment, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("start %s: %w", p.name, err)
	}
	release := func() {}
	if p.tied {
		if release, err = tie(cmd.Process.Pid); err != nil {
			_ = stopProcess(cmd.Process.Pid)
			return 0, fmt.Errorf("start %s: %w", p.name, err)
		}
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); release(); close(ended) }()
	if err := p.awaitReady(ctx, ended, logPath); err != nil {
		_ = stopProcess(cmd.Process.Pid)
		return 0, err
	}
	return cmd.Process.Pid, nil
}

// watcher ends a process group at the end of its standard input. A line on standard
// input ends only the watcher.
const watcher = `read -r line || kill -s KILL -- "-$1"`

// tie starts a watcher. At the end of this process, also after a panic or a signal, the
// watcher ends the process group of the server. The returned function ends only the
// watcher, after the end of the server: another process may get the process id later.
func tie(pid int) (release func(), err error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	cmd := exec.Command("/bin/sh", "-c", watcher, "sh", strconv.Itoa(pid))
	cmd.Stdin = reader
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, writer.Close())
	}
	return func() {
		_, _ = writer.WriteString("ended\n")
		_ = writer.Close()
		_ = cmd.Wait()
	}, nil
}

func (p process) awaitReady(ctx context.Context, ended <-chan struct{}, logPath string) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ended:
			return fmt.Errorf("%s ended before it was ready: %s", p.name, lastLine(logPath))
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w: %s", p.name, context.Cause(ctx), lastLine(logPath))
		case <-ticker.C:
			if p.ready(ctx) == nil {
				return nil
			}
		}
	}
}

// lastLine returns the last line of a log that isn't blank.
func lastLine(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(string(bytes.TrimSpace(content)), "\n")
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		return last
	}
	return "the log is empty"
}

// stopProcess ends a process group with SIGTERM, and after stopTimeout with SIGKILL. An
// ended process is no error.
func stopProcess(pid int) error { return stopWithin(pid, stopTimeout) }

func stopWithin(pid int, timeout time.Duration) error {
	if pid == noProcess {
		return nil
	}
	if err := syscall.Kill(-pid, syscall.SIGTERM); err != nil {
		return ignoreEnded(err)
	}
	deadline := time.Now().Add(timeout)
	for isRunning(pid) {
		if time.Now().After(deadline) {
			return killProcess(pid)
		}
		time.Sleep(pollEvery)
	}
	return ignoreEnded(syscall.Kill(-pid, syscall.SIGKILL)) // children that ignored SIGTERM
}

// noProcess is in place of the process id of an ended server.
const noProcess = 0

// isRunning reports whether a process runs. A zombie runs as long as one of its other
// threads lives: the thread keeps the process's ports open.
func isRunning(pid int) bool {
	if pid == noProcess {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		_, noProc := os.Stat("/proc/self")
		return noProc != nil && syscall.Kill(pid, 0) == nil
	}
	fields := stat[bytes.LastIndexByte(stat, ')')+1:]
	if !bytes.HasPrefix(bytes.TrimSpace(fields), []byte("Z")) {
		return true
	}
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	return err == nil && len(threads) > 1
}

// bootID returns the id of the machine's current boot. After a new boot, an old process
// id may belong to another process. Empty on a system without such an id.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

func ignoreEnded(err error) error {
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// killProcess ends a process group with SIGKILL and waits for the end.
func killProcess(pid int) error {
	if pid == noProcess {
		return nil
	}
	if err := syscall.Kill(-pid, syscall.SIGKILL); err != nil {
		return ignoreEnded(err)
	}
	for isRunning(pid) {
		time.Sleep(pollEvery)
	}
	return nil
}
