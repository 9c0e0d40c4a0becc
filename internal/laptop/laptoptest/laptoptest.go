// Package laptoptest starts parts of the laptop's cloud for a package's tests.
package laptoptest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/laptop"
)

// Main runs the tests of a package beside stand-ins ("aws", "snowflake", "mail") on
// free ports, with an empty state. The stand-ins end with the tests, also after a
// panic. Main sets the variables of their clients. FIRN_DATASETS names the made-up
// project in testdata/project. Call Main from TestMain.
func Main(m *testing.M, servers ...string) int { return MainWith(m, 0, servers...) }

// MainWith is Main with another limit for idle transactions that block others, for
// tests that kill clients. 0 is Snowflake's limit of 5 minutes.
func MainWith(m *testing.M, idleBlocker time.Duration, servers ...string) int {
	directory, err := os.MkdirTemp("", "firn-test-*")
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(directory)
	repository, err := root()
	if err != nil {
		return fail(err)
	}
	cloud, err := laptop.Open(repository, filepath.Join(directory, "cloud"), "")
	if err != nil {
		return fail(err)
	}
	cloud.Project = filepath.Join(repository, "testdata", "project")
	cloud.IdleBlocker, cloud.EndWithProcess = idleBlocker, true
	if err := cloud.StartOnly(context.Background(), servers...); err != nil {
		return fail(errors.Join(err, cloud.Down()))
	}
	if err := cloud.SetEnvironment(os.Setenv); err != nil {
		return fail(errors.Join(err, cloud.Down()))
	}
	code := m.Run()
	if err := cloud.Stop(); err != nil {
		return fail(err)
	}
	return code
}

// Silently is a laptop.Step without output. Its error has the name of the failed step.
func Silently(name string, run func() error) error {
	if err := run(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, "laptoptest:", err)
	return 1
}

// root is the repository: the nearest folder with go.mod, above the package under test.
func root() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; folder = filepath.Dir(folder) {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder, nil
		}
		if folder == filepath.Dir(folder) {
			return "", errors.New("the tests run outside the repository")
		}
	}
}
