//go:build endtoend

// Package airflow_test runs the tests of airflow/ beside the laptop's cloud:
// the DAGs' own, which are Python, and the ones with a scheduler.
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

var scheduler = flag.Bool("scheduler", false, "run the tests with a real scheduler, which take minutes")

// What bounds the Python tests, without a scheduler and with one: far beyond
// what they take.
const (
	limit          = 8 * time.Minute
	schedulerLimit = 25 * time.Minute
)

// TestDAGsOnStandIns brings the laptop's cloud up and hands over to pytest.
func TestDAGsOnStandIns(t *testing.T) { //nolint:paralleltest // one cloud
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	// FIRN_AIRFLOW_DIRECTORY is the folder below build/ that keeps the cloud's
	// state, for a run beside another one.
	directory := filepath.Join(root, "build", cmp.Or(os.Getenv("FIRN_AIRFLOW_DIRECTORY"), "airflow"))
	cloud, err := laptop.Open(root, directory, filepath.Join(root, "build", "bin", "firn"))
	if err != nil {
		t.Fatal(err)
	}
	cloud.Tied = true
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

// pytest runs the tests in a process group of their own, and ends what is left
// of it.
func pytest(ctx context.Context, cloud *laptop.Cloud) error {
	mark, most := "not scheduler", limit
	if *scheduler {
		mark, most = "scheduler", schedulerLimit
	}
	ctx, cancel := context.WithTimeoutCause(ctx, most, fmt.Errorf("not over within %s", most))
	defer cancel()
	python := filepath.Join(cloud.Root, "build", "venv", "airflow", "bin", "python")
	cmd := exec.CommandContext(ctx, python, "-m", "pytest", "-v", "-m", mark)
	cmd.Dir = filepath.Join(cloud.Root, "airflow")
	cmd.Env = slices.Concat(os.Environ(), cloud.Environment(), []string{
		"FIRN_DATASETS=" + filepath.Join(cloud.Root, "datasets"),
		"FIRN_TEST_PROGRAM=" + cloud.Program,
		"FIRN_TEST_MAILS=" + cloud.MailDirectory(),
		"FIRN_TEST_SCRATCH=" + filepath.Join(cloud.Directory, "scheduler"),
	})
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	err := cmd.Run()
	if left := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); left == nil {
		err = errors.Join(err, errors.New("the tests left processes behind, which were ended"))
	}
	if cause := context.Cause(ctx); cause != nil {
		err = errors.Join(err, cause)
	}
	return err
}
