package samples_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// processes returns the commands of all processes that have one of the texts in their
// command or environment.
func processes(t *testing.T, texts ...string) []string {
	t.Helper()
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil || len(folders) == 0 {
		t.Fatalf("no /proc: %v", err)
	}
	var found []string
	for _, folder := range folders {
		command, _ := os.ReadFile(filepath.Join(folder, "cmdline")) // empty if the process has ended
		variables, _ := os.ReadFile(filepath.Join(folder, "environ"))
		for _, text := range texts {
			if bytes.Contains(command, []byte(text)) || bytes.Contains(variables, []byte(text)) {
				found = append(found, filepath.Base(folder)+" "+string(bytes.ReplaceAll(command, []byte{0}, []byte(" "))))
				break
			}
		}
	}
	return found
}

// TestProcessesFindsChild checks the search for leftover processes.
func TestProcessesFindsChild(t *testing.T) {
	t.Parallel()
	mark := filepath.Join(t.TempDir(), "mark")
	for _, c := range []*exec.Cmd{
		{Path: "/bin/sleep", Args: []string{"sleep", "60"}, Env: []string{"STATE=" + mark}},
		{Path: "/bin/sh", Args: []string{"sh", "-c", "read line", mark}}, // a shell that forks would appear twice
	} {
		if _, err := c.StdinPipe(); err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		if found := processes(t, mark); len(found) != 1 {
			t.Errorf("%s: found %q, want one process", c, found)
		}
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = c.Wait()
	}
	if found := processes(t, mark); len(found) > 0 {
		t.Errorf("found %q after the kill, want none", found)
	}
}
