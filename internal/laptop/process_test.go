package laptop_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/laptop"
)

const shell = "/bin/sh"

func neverReady(context.Context) error { return errors.New("not ready") }

// logged returns a check that succeeds after the log has a word.
func logged(directory, name, word string) func(context.Context) error {
	return func(context.Context) error {
		content, err := os.ReadFile(filepath.Join(directory, name+".log"))
		if err == nil && !strings.Contains(string(content), word) {
			err = errors.New("not yet")
		}
		return err
	}
}

func TestFailedStartShowsLastLine(t *testing.T) {
	t.Parallel()
	shortContext := func(t *testing.T) context.Context {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, errors.New("no answer within a moment"))
		t.Cleanup(cancel)
		return ctx
	}
	tests := []struct {
		name    string
		command []string
		want    string
	}{
		{"error on standard error", []string{shell, "-c", "echo first; echo port 1 is busy >&2; exit 3"}, "server ended before it was ready: port 1 is busy"},
		{"blank lines at the end", []string{shell, "-c", "echo reason; echo; echo ' '; exit 1"}, "server ended before it was ready: reason"},
		{"no output", []string{shell, "-c", "exit 1"}, "server ended before it was ready: the log is empty"},
		{"never ready", []string{shell, "-c", "echo warming up; exec sleep 60"}, "server is not ready: no answer within a moment: warming up"},
		{"missing program", []string{"/nowhere/server"}, "start server: fork/exec /nowhere/server: no such file or directory"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			if test.name == "never ready" {
				ctx = shortContext(t)
			}
			_, err := laptop.StartProcess(ctx, "server", t.TempDir(), nil, neverReady, test.command...)
			if err == nil || err.Error() != test.want {
				t.Errorf("start = %v, want %q", err, test.want)
			}
		})
	}
}

// TestProcessSeesOnlyListedVariables starts a server from this process, which has more
// variables.
func TestProcessSeesOnlyListedVariables(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	_, _ = laptop.StartProcess(t.Context(), "server", directory, []string{"ONLY=this"}, neverReady, "/usr/bin/env")
	content, err := os.ReadFile(filepath.Join(directory, "server.log"))
	if err != nil || string(content) != "ONLY=this\n" {
		t.Errorf("variables of the server are %q, %v", content, err)
	}
}

// awaitEnd waits for the end of a process whose parent has ended.
func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for laptop.Alive(pid) {
		select {
		case <-ctx.Done():
			t.Fatalf("the child %d is still running", pid)
		case <-ticker.C:
		}
	}
}

func TestStopEndsProcessGroup(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, script string }{
		{"ends after SIGTERM", `echo ready; exec sleep 60`},
		{"ignores SIGTERM", `trap "" TERM; echo ready; while :; do sleep 60; done`},
		{"leaves a child that ignores SIGTERM", `(trap "" TERM; while :; do sleep 60; done) & echo $!; echo ready; wait`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			directory := t.TempDir()
			environment := []string{"PATH=" + os.Getenv("PATH")}
			pid, err := laptop.StartProcess(t.Context(), "server", directory, environment, logged(directory, "server", "ready"), shell, "-c", test.script)
			if err != nil {
				t.Fatal(err)
			}
			if !laptop.Alive(pid) {
				t.Fatal("the server isn't running")
			}
			if err := laptop.StopWithin(pid, laptop.Impatient); err != nil {
				t.Errorf("stop: %v", err)
			}
			if laptop.Alive(pid) {
				t.Error("the server is still running")
			}
			log, err := os.ReadFile(filepath.Join(directory, "server.log"))
			if err != nil {
				t.Fatal(err)
			}
			if child, err := strconv.Atoi(strings.Fields(string(log))[0]); err == nil {
				awaitEnd(t, child)
			}
			if err := laptop.StopWithin(pid, laptop.Impatient); err != nil {
				t.Errorf("stop of an ended server: %v", err)
			}
		})
	}
}
