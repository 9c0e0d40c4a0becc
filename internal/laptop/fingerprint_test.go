package laptop_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/firn-data/firn/internal/laptop"
)

// TestFingerprintChangesWithSources makes a change in a small tree and compares the
// fingerprints. Another fingerprint means a new synthesis.
func TestFingerprintChangesWithSources(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(t *testing.T, root string)
		want   bool
	}{
		{"no change", func(*testing.T, string) {}, false},
		{"content of a file", func(t *testing.T, root string) { write(t, filepath.Join(root, "internal/a.go"), "package b") }, true},
		{"new file", func(t *testing.T, root string) { write(t, filepath.Join(root, "internal/deep/b.go"), "") }, true},
		{"name of a file", func(t *testing.T, root string) { rename(t, root, "internal/a.go", "internal/b.go") }, true},
		{"content that ends with name and content of the next file", func(t *testing.T, root string) {
			write(t, filepath.Join(root, "internal/a.go"), "package ainternal/c.go\x00package c")
			if err := os.Remove(filepath.Join(root, "internal/c.go")); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"file that is given by name", func(t *testing.T, root string) { write(t, filepath.Join(root, "go.mod"), "module b") }, true},
		{"changed test", func(t *testing.T, root string) { write(t, filepath.Join(root, "internal/a_test.go"), "package b") }, false},
		{"compiled Python file", func(t *testing.T, root string) { write(t, filepath.Join(root, "internal/__pycache__/a.pyc"), "") }, false},
		{"new test", func(t *testing.T, root string) { write(t, filepath.Join(root, "internal/new_test.go"), "") }, false},
		{"file outside the given folders", func(t *testing.T, root string) { write(t, filepath.Join(root, "docs/a.md"), "") }, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			for name, content := range map[string]string{
				"go.mod": "module a", "internal/a.go": "package a", "internal/c.go": "package c", "internal/a_test.go": "package a",
			} {
				write(t, filepath.Join(root, name), content)
			}
			before := fingerprint(t, root)
			test.change(t, root)
			if changed := fingerprint(t, root) != before; changed != test.want {
				t.Errorf("fingerprint changed: %t, want %t", changed, test.want)
			}
		})
	}
}

func TestFingerprintOfMissingFileFails(t *testing.T) {
	t.Parallel()
	if _, err := laptop.FingerprintOf(t.TempDir(), "missing"); err == nil {
		t.Error("a missing folder has a fingerprint")
	}
}

func fingerprint(t *testing.T, root string) string {
	t.Helper()
	text, err := laptop.FingerprintOf(root, "go.mod", "internal")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func rename(t *testing.T, root, from, to string) {
	t.Helper()
	if err := os.Rename(filepath.Join(root, from), filepath.Join(root, to)); err != nil {
		t.Fatal(err)
	}
}
