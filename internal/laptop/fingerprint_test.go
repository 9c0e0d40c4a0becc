package laptop_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/firn-data/firn/internal/laptop"
)

// TestFingerprintChangesWithSources changes one thing in a small tree and looks whether the stack
// would be built again.
func TestFingerprintChangesWithSources(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(t *testing.T, root string)
		want   bool
	}{
		{"nothing", func(*testing.T, string) {}, false},
		{"a file's content", func(t *testing.T, root string) { write(t, filepath.Join(root, "internal/a.go"), "package b") }, true},
		{"a new file", func(t *testing.T, root string) { write(t, filepath.Join(root, "internal/deep/b.go"), "") }, true},
		{"a file's name", func(t *testing.T, root string) { rename(t, root, "internal/a.go", "internal/b.go") }, true},
		{"a file swallows the next one, name and all", func(t *testing.T, root string) {
			write(t, filepath.Join(root, "internal/a.go"), "package ainternal/c.go\x00package c")
			if err := os.Remove(filepath.Join(root, "internal/c.go")); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"a single file that is named", func(t *testing.T, root string) { write(t, filepath.Join(root, "go.mod"), "module b") }, true},
		{"a test", func(t *testing.T, root string) { write(t, filepath.Join(root, "internal/a_test.go"), "package b") }, false},
		{"what Python compiled", func(t *testing.T, root string) { write(t, filepath.Join(root, "internal/__pycache__/a.pyc"), "") }, false},
		{"a new test", func(t *testing.T, root string) { write(t, filepath.Join(root, "internal/new_test.go"), "") }, false},
		{"what isn't named", func(t *testing.T, root string) { write(t, filepath.Join(root, "docs/a.md"), "") }, false},
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
				t.Errorf("changed: %t, want %t", changed, test.want)
			}
		})
	}
}

func TestFingerprintOfMissingFileFails(t *testing.T) {
	t.Parallel()
	if _, err := laptop.FingerprintOf(t.TempDir(), "missing"); err == nil {
		t.Error("a folder that is missing has a fingerprint")
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
