//go:build endtoend

// Package airflow_test runs the Python tests of airflow/ with the laptop's cloud,
// including the tests with a scheduler.
package airflow_test

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/laptop"
	"github.com/firn-data/firn/internal/laptop/laptoptest"
)

var scheduler = flag.Bool("scheduler", false, "run the slow tests with a real scheduler")

// The longest durations of the Python tests, without and with a scheduler. The tests
// need much less time.
const (
	limit          = 8 * time.Minute
	schedulerLimit = 25 * time.Minute
)

// TestDAGsOnStandIns starts the laptop's cloud and runs pytest.
func TestDAGsOnStandIns(t *testing.T) { //nolint:paralleltest // one cloud
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	// FIRN_AIRFLOW_DIRECTORY is the folder below build/ for the state of the stand-ins.
	// Two runs of the tests at the same time need two folders.
	directory := filepath.Join(root, "build", cmp.Or(os.Getenv("FIRN_AIRFLOW_DIRECTORY"), "airflow"))
	cloud, err := laptop.Open(root, directory, filepath.Join(root, "build", "bin", "firn"))
	if err != nil {
		t.Fatal(err)
	}
	cloud.EndWithProcess = true
	cloud.Project = filepath.Join(root, "testdata", "project")
	if err := cloud.Up(t.Context(), laptoptest.Silently); err != nil {
		t.Fatal(errors.Join(err, cloud.Down()))
	}
	t.Cleanup(func() {
		if err := cloud.Down(); err != nil {
			t.Error(err)
		}
	})
	if err := pytest(t.Context(), cloud); err != nil {
		t.Fatal(err)
	}
}

// pytest runs the tests in a new process group and kills the remaining processes of the
// group.
func pytest(ctx context.Context, cloud *laptop.Cloud) error {
	mark, timeout := "not scheduler", limit
	if *scheduler {
		mark, timeout = "scheduler", schedulerLimit
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("pytest needs more than %s", timeout))
	defer cancel()
	python := filepath.Join(cloud.Root, "build", "venv", "airflow", "bin", "python")
	cmd := exec.CommandContext(ctx, python, "-m", "pytest", "-v", "-m", mark)
	cmd.Dir = filepath.Join(cloud.Root, "airflow")
	cmd.Env = slices.Concat(os.Environ(), cloud.Environment(), []string{
		"FIRN_DATASETS=" + filepath.Join(cloud.Project, "datasets"),
		"FIRN_TEST_PROGRAM=" + cloud.Program,
		"FIRN_TEST_MAILS=" + cloud.MailDirectory(),
		"FIRN_TEST_SCRATCH=" + filepath.Join(cloud.Directory, "scheduler"),
	})
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	err := cmd.Run()
	if killed := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); killed == nil {
		err = errors.Join(err, errors.New("the tests left processes, which are killed now"))
	}
	if cause := context.Cause(ctx); cause != nil {
		err = errors.Join(err, cause)
	}
	return err
}
