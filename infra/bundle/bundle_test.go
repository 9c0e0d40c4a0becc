//go:build cdk

package bundle_test

import (
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/infra/bundle"
)

// repository creates a module with the five functions and two contracts.
func repository(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	write(t, root, "go.mod", "module example.com/firn\n\ngo 1.26\n")
	for _, name := range bundle.Functions {
		write(t, root, "functions/"+name+"/main.go", "package main\n\nfunc main() { println(\""+name+"\") }\n")
	}
	write(t, root, "datasets/station/event/contract.odcs.yaml", "event")
	write(t, root, "datasets/station/event/data.ndjson", "not for the zip")
	write(t, root, "datasets/shop/order/contract.odcs.yaml", "order")
	return root
}

func write(t *testing.T, root, path, content string) {
	t.Helper()
	path = filepath.Join(root, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// sums returns the hash of each file under a folder.
func sums(t *testing.T, folder string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		name, err := filepath.Rel(folder, path)
		files[filepath.ToSlash(name)] = hex.EncodeToString(sum[:])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func build(t *testing.T, root, goarch string) string {
	t.Helper()
	var log strings.Builder
	folder, err := bundle.Build(t.Context(), root, filepath.Join(root, "datasets"), goarch, &log)
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	return folder
}

// TestStrictUmaskLeavesFilesReadable: Lambda runs a function as another user than the one
// of the build.
func TestStrictUmaskLeavesFilesReadable(t *testing.T) { // not parallel: the umask belongs to the process
	before := syscall.Umask(0o077)
	defer syscall.Umask(before)
	folder := build(t, repository(t), "arm64")
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == folder {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o644)
		if entry.IsDir() || entry.Name() == "bootstrap" {
			want = 0o755
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestBuildMakesEveryFunction(t *testing.T) {
	t.Parallel()
	for goarch, machine := range map[string]elf.Machine{"arm64": elf.EM_AARCH64, "amd64": elf.EM_X86_64} {
		folder := build(t, repository(t), goarch)
		var want []string
		for _, name := range bundle.Functions {
			want = append(want, name+"/bootstrap", name+"/contracts/shop/order/contract.odcs.yaml", name+"/contracts/station/event/contract.odcs.yaml")
			binary := filepath.Join(folder, name, "bootstrap")
			file, err := elf.Open(binary)
			if err != nil {
				t.Fatal(err)
			}
			if file.Machine != machine {
				t.Errorf("%s for %s is built for %s", name, goarch, file.Machine)
			}
			if info, err := os.Stat(binary); err != nil || info.Mode()&0o111 != 0o111 {
				t.Errorf("%s has mode %v, error %v, want an executable for all users", name, info.Mode(), err)
			}
			if err := file.Close(); err != nil {
				t.Error(err)
			}
		}
		got := sums(t, folder)
		if len(got) != len(want) {
			t.Errorf("%s: %d files, want %d: %v", goarch, len(got), len(want), got)
		}
		for _, path := range want {
			if got[path] == "" {
				t.Errorf("%s: %s is missing", goarch, path)
			}
		}
	}
}

// The same sources in another folder give the same bytes. A deleted contract is not in
// the next zip.
func TestBuildIsReproducible(t *testing.T) {
	t.Parallel()
	first, second := repository(t), repository(t)
	write(t, second, "datasets/old/one/contract.odcs.yaml", "old")
	before := sums(t, build(t, second, "arm64"))
	if err := os.RemoveAll(filepath.Join(second, "datasets", "old")); err != nil {
		t.Fatal(err)
	}
	want, got := sums(t, build(t, first, "arm64")), sums(t, build(t, second, "arm64"))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if before["load/contracts/old/one/contract.odcs.yaml"] == "" {
		t.Error("the first build has no contract of old.one, so the second build proves nothing")
	}
}

func TestBuildReportsFaults(t *testing.T) {
	t.Parallel()
	broken := repository(t)
	write(t, broken, "functions/load/main.go", "package main\n\nfunc main() { undefined() }\n")
	var log strings.Builder
	_, err := bundle.Build(t.Context(), broken, filepath.Join(broken, "datasets"), "amd64", &log)
	if err == nil || !strings.Contains(err.Error(), "functions don't build for linux/amd64") {
		t.Errorf("Build() = %v", err)
	}
	if !strings.Contains(log.String(), "undefined: undefined") {
		t.Errorf("the log lacks the compiler's error: %q", log.String())
	}
	bare := repository(t)
	if err := os.RemoveAll(filepath.Join(bare, "datasets")); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Build(t.Context(), bare, filepath.Join(bare, "datasets"), "amd64", &log); err == nil || !strings.Contains(err.Error(), "no data contract") {
		t.Errorf("Build() without contracts = %v", err)
	}
}
