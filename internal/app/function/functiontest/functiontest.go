// Package functiontest has a Lambda environment for tests of the functions' wiring: a
// folder with the contracts, and environment variables.
package functiontest

import (
	"os"
	"path/filepath"
	"testing"
)

// datasets is the folder of the made-up project, relative to a package below
// internal/app.
const datasets = "../../../testdata/project/datasets"

// TaskRoot returns a function's folder with the made-up contracts, as in the function's
// zip. Only tests of packages directly below internal/app may call TaskRoot.
func TaskRoot(t testing.TB) string {
	t.Helper()
	root := t.TempDir()
	absolute, err := filepath.Abs(datasets)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(absolute, filepath.Join(root, "contracts")); err != nil {
		t.Fatal(err)
	}
	return root
}

// TaskRootOf returns a folder like TaskRoot, with the contracts of one source.
func TaskRootOf(t testing.TB, source string) string {
	t.Helper()
	root := t.TempDir()
	if err := os.CopyFS(filepath.Join(root, "contracts", source), os.DirFS(filepath.Join(datasets, source))); err != nil {
		t.Fatal(err)
	}
	return root
}

// Environment returns a lookup with only these values.
func Environment(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, found := values[name]
		return value, found
	}
}
