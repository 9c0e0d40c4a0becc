package setup_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// repository is the folder of the Makefile, as seen from this package.
const repository = ".."

// goFiles returns the text of each Go file of the repository by path.
func goFiles(t *testing.T) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(repository, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && (name == "build" || name == "node_modules" || strings.HasPrefix(name, ".") && name != "..") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		content, err := os.ReadFile(path)
		files[path] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestStandInTestsHaveBuildTag: `go test ./...` starts no stand-in.
func TestStandInTestsHaveBuildTag(t *testing.T) {
	t.Parallel()
	tag := regexp.MustCompile(`^//go:build (standin|endtoend)\n`)
	found := 0
	for path, text := range goFiles(t) {
		if !strings.HasSuffix(path, "_test.go") || !strings.Contains(text, "\t\"github.com/firn-data/firn/internal/laptop/laptoptest\"\n") {
			continue
		}
		found++
		if !tag.MatchString(text) {
			t.Errorf("%s starts a stand-in: the first line must be //go:build standin or //go:build endtoend", path)
		}
	}
	if found == 0 {
		t.Error("no test imports laptoptest")
	}
}

// TestPatternsMatchTests: a pattern of `go test -run` without a test would pass.
func TestPatternsMatchTests(t *testing.T) {
	t.Parallel()
	files := goFiles(t)
	makefile, err := os.ReadFile(filepath.Join(repository, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	type use struct{ folder, pattern string }
	var uses []use
	run := regexp.MustCompile(`(?m)^\t@.* (\./[a-z/]+)(?:/\.\.\.)? .*-(?:run|fuzz) '?([A-Za-z|]+)`)
	for _, match := range run.FindAllStringSubmatch(string(makefile), -1) {
		uses = append(uses, use{filepath.Join(repository, match[1]), match[2]})
	}
	for path, text := range files {
		for _, match := range regexp.MustCompile(`(?m)^//go:generate go test -run (\w+)`).FindAllStringSubmatch(text, -1) {
			uses = append(uses, use{filepath.Dir(path), match[1]})
		}
	}
	for _, name := range []string{"Outage", "Receipts", "Demo", "RandomFiles"} {
		if !slices.ContainsFunc(uses, func(u use) bool { return strings.Contains(u.pattern, name) }) {
			t.Errorf("no target of the Makefile has the pattern %s", name)
		}
	}
	for _, u := range uses {
		for pattern := range strings.SplitSeq(u.pattern, "|") {
			test := regexp.MustCompile(`(?m)^func Test\w*` + strings.TrimPrefix(pattern, "Test"))
			if !anyFile(files, u.folder, test) {
				t.Errorf("no test in %s matches the pattern %s", u.folder, pattern)
			}
		}
	}
}

// anyFile reports whether a test file below a folder matches.
func anyFile(files map[string]string, folder string, want *regexp.Regexp) bool {
	for path, text := range files {
		if strings.HasPrefix(path, folder+string(filepath.Separator)) && strings.HasSuffix(path, "_test.go") && want.MatchString(text) {
			return true
		}
	}
	return false
}
