// Package functiontest gives the functions' wiring what Lambda gives it: a
// folder with the contracts, and an environment.
package functiontest

import (
	"os"
	"path/filepath"
	"testing"
)

// datasets is the made-up project's folder, as a package of internal/app sees it.
const datasets = "../../../testdata/project/datasets"

// TaskRoot is a function's folder with the made-up contracts, as in its zip. It
// may be called by tests of packages right below internal/app.
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

// TaskRootOf is TaskRoot with the contracts of one source only.
func TaskRootOf(t testing.TB, source string) string {
	t.Helper()
	root := t.TempDir()
	if err := os.CopyFS(filepath.Join(root, "contracts", source), os.DirFS(filepath.Join(datasets, source))); err != nil {
		t.Fatal(err)
	}
	return root
}

// Environment looks variables up in the values, and nowhere else.
func Environment(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, found := values[name]
		return value, found
	}
}
