package laptop

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// child is a program that works for Up and ends before Up.
type child struct {
	command     []string
	directory   string
	environment []string
	// grace is the time between SIGTERM and SIGKILL after the end of the context.
	// Defaults to stopTimeout.
	grace time.Duration
}

// run runs the program and returns its output. The program has a process group of its
// own, so Ctrl-C reaches only firn. At the end of the context, run ends the whole group
// and returns the cause of the end.
func (c child) run(ctx context.Context) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	cmd := exec.CommandContext(ctx, c.command[0], c.command[1:]...)
	cmd.Dir, cmd.Env = c.directory, c.environment
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return signalGroup(cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout
	if c.grace > 0 {
		cmd.WaitDelay = c.grace
	}
	output, err := cmd.CombinedOutput()
	if ctx.Err() == nil {
		return output, err
	}
	if cmd.Process != nil { // the rest of the group, which ignored SIGTERM
		_ = signalGroup(cmd.Process.Pid, syscall.SIGKILL)
	}
	return output, context.Cause(ctx)
}

// signalGroup sends a signal to a process group. An ended group is os.ErrProcessDone.
func signalGroup(pid int, signal syscall.Signal) error {
	err := syscall.Kill(-pid, signal)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}
