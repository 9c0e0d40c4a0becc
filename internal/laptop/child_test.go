package laptop_test

import (
	"bufio"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/laptop"
)

// TestInterruptEndsChildWithItsGroup cancels the context of a program with a child of
// its own. The error is only the cause, and no process stays.
func TestInterruptEndsChildWithItsGroup(t *testing.T) {
	t.Parallel()
	// The child writes the line after its exec: a copy of the shell between fork and exec
	// still has the trap, so a signal in that moment would be lost.
	const cleansUp = "ends after SIGTERM"
	tests := []struct {
		name, script string
		grace        time.Duration
	}{
		{cleansUp, `trap 'echo "at Object.<anonymous> (node:1)"; echo >"$1.clean"; exit 1' TERM; sh -c 'echo $PPID $$ >"$1"; exec sleep 600' sh "$1" & wait`, time.Minute},
		{"ignores SIGTERM", `trap "" TERM; (while :; do sleep 600; done) & echo $$ $! >"$1"; while :; do sleep 600; done`, laptop.Impatient},
		{"leaves a child that ignores SIGTERM", `(trap "" TERM; while :; do sleep 600; done) & echo $$ $! >"$1"; wait`, laptop.Impatient},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pipe := filepath.Join(t.TempDir(), "started")
			if err := syscall.Mkfifo(pipe, 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			cause, ended := errors.New("interrupted"), make(chan error, 1)
			go func() {
				_, err := laptop.RunChild(ctx, test.grace, shell, "-c", test.script, "sh", pipe)
				ended <- err
			}()
			processes := readProcesses(t, pipe)
			cancel(cause)
			select {
			case err := <-ended:
				if !errors.Is(err, cause) || err.Error() != "interrupted" {
					t.Errorf("the error is %q, want only the cause", err)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("the program is still running after 10 s")
			}
			for _, pid := range processes {
				awaitEnd(t, pid)
			}
			if _, err := os.Stat(pipe + ".clean"); err != nil && test.name == cleansUp {
				t.Errorf("the program had no time for its own end: %v", err)
			}
		})
	}
}

// readProcesses waits for a line of process ids in a pipe.
func readProcesses(t *testing.T, pipe string) []int {
	t.Helper()
	file, err := os.Open(pipe) // waits for the writer
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	line, err := bufio.NewReader(file).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var processes []int
	for word := range strings.FieldsSeq(line) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		processes = append(processes, pid)
	}
	t.Cleanup(func() {
		for _, pid := range processes {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return processes
}

func TestChildReturnsOutputAndError(t *testing.T) {
	t.Parallel()
	if output, err := laptop.RunChild(t.Context(), 0, shell, "-c", "echo out; echo err >&2"); err != nil || string(output) != "out\nerr\n" {
		t.Errorf("a good program: %q, %v", output, err)
	}
	if output, err := laptop.RunChild(t.Context(), 0, shell, "-c", "echo reason; exit 3"); err == nil || err.Error() != "exit status 3" || string(output) != "reason\n" {
		t.Errorf("a failing program: %q, %v", output, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := laptop.RunChild(ctx, 0, "/nowhere/program"); !errors.Is(err, context.Canceled) {
		t.Errorf("a program after the end of the context: %v", err)
	}
}
