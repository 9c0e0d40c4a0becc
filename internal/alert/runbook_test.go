package alert_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/fault"
)

const runbook = "../../docs/runbook.md"

// entries returns the runbook's entries by code.
func entries(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(runbook)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]string)
	for _, part := range strings.Split(string(text), "\n### ")[1:] {
		code, entry, _ := strings.Cut(part, "\n")
		if _, twice := found[code]; twice {
			t.Errorf("%s has two entries", code)
		}
		entry, _, _ = strings.Cut(entry, "\n## ")
		found[code] = entry
	}
	return found
}

func TestRunbookHasEveryCode(t *testing.T) {
	t.Parallel()
	var want []string
	for _, code := range fault.Codes() {
		want = append(want, string(code))
	}
	found := entries(t)
	if diff := cmp.Diff(want, keysOf(found)); diff != "" {
		t.Errorf("entries (-fault.Codes +runbook):\n%s", diff)
	}
	for code, entry := range found {
		for _, part := range []string{"- **Means:** ", "- **You see:** ", "- **Type:** ", "- **Systemic cause:** "} {
			if strings.Count("\n"+entry, "\n"+part) != 1 {
				t.Errorf("%s: there isn't one %q", code, part)
			}
		}
	}
}

// TestEveryNamedCommandExists compares every command in the runbook and in the mails
// with the commands of cmd/firn.
func TestEveryNamedCommandExists(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../cmd/firn/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no source of the command: %v", err)
	}
	var source strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(text)
	}
	has := func(pattern string) bool { return regexp.MustCompile(pattern).MatchString(source.String()) }
	golden, err := filepath.Glob("testdata/*.golden")
	if err != nil || len(golden) == 0 {
		t.Fatalf("no mails: %v", err)
	}
	commandLine := regexp.MustCompile("(?:`|type +|look +|more: )firn ([a-z][a-z-]*)([^`\\n]*)")
	flag := regexp.MustCompile(` --([a-z]+(?:-[a-z]+)*)`)
	for _, file := range append(golden, runbook) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := commandLine.FindAllStringSubmatch(string(text), -1)
		if len(found) == 0 {
			t.Errorf("%s names no command", file)
		}
		for _, match := range found {
			if name := match[1]; !has(`Use:\s+"` + name + `[ "]`) {
				t.Errorf("%s names `firn %s`, which doesn't exist", file, name)
			}
			for _, option := range flag.FindAllStringSubmatch(match[2], -1) {
				if option[1] != "help" && !has(`Var\(&[\w.]+, "`+option[1]+`"`) {
					t.Errorf("%s names --%s of `firn %s`, which doesn't exist", file, option[1], match[1])
				}
			}
		}
	}
}

func keysOf(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
