// Package setup_test tests prerequisites.sh. `make` runs this script before any
// installation.
package setup_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakeMachine has the programs on a machine's PATH. Each field is the shell script of
// the program; an empty field means a missing program.
type fakeMachine struct {
	golang, python, node, npm, java, mvn string
	// home is the version of the Java in JAVA_HOME. Empty leaves JAVA_HOME unset.
	home string
}

// completeMachine has the oldest sufficient version of each program.
var completeMachine = fakeMachine{
	golang: "echo go1.26",
	python: pythonOf("3.11"),
	node:   "echo v20.0.0",
	npm:    "true",
	java:   javaOf("17.0.2"),
	mvn:    "true",
}

// javaOf returns a script for a Java of this version. Java prints the version on
// standard error.
func javaOf(version string) string {
	return `echo 'openjdk version "` + version + `" 2022-01-18' >&2; echo 'OpenJDK Runtime Environment (build ` + version + `)' >&2`
}

// pythonOf returns a script for a Python of this version with the venv module.
func pythonOf(version string) string {
	return `case "$2" in *version_info*) echo ` + version + `;; esac`
}

// withoutVenv is Debian's python3.12 without the package python3.12-venv.
const withoutVenv = `case "$2" in *version_info*) echo 3.12;; *) echo "No module named 'ensurepip'" >&2; exit 1;; esac`

const (
	wantPython = "firn needs Python 3.11 or 3.12: install it, or name it: make PYTHON=/path/to/python3.12 ...\n"
	lacksNode  = "firn needs Node 20 or newer: install it and put it on PATH\n"
	lacksNPM   = "firn needs npm: it comes with Node\n"
	lacksGo    = "firn needs Go 1.26: install it and put it on PATH\n"
	lacksJava  = "firn needs Java 17: install openjdk-17-jre-headless, or name it: JAVA_HOME=/path/to/java-17 make ...\n"
	lacksMaven = "firn needs mvn: install maven\n"
)

func TestPrerequisitesNamesEachMissingProgram(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(m *fakeMachine)
		want   string
	}{
		{"the oldest sufficient versions", func(*fakeMachine) {}, ""},
		{"newer versions", func(m *fakeMachine) {
			m.golang, m.python, m.node = "echo go1.27.3", pythonOf("3.12"), "echo v24.11.1"
		}, ""},
		{"no Go", func(m *fakeMachine) { m.golang = "" }, lacksGo},
		{"an old Go", func(m *fakeMachine) { m.golang = "echo go1.9.7" }, "firn needs Go 1.26: this is 1.9.7\n"},
		{"a broken Go", func(m *fakeMachine) { m.golang = "exit 2" }, lacksGo},
		{"no Python", func(m *fakeMachine) { m.python = "" }, wantPython},
		{"a broken Python", func(m *fakeMachine) { m.python = "exit 127" }, wantPython},
		{"a too new Python", func(m *fakeMachine) { m.python = pythonOf("3.13") }, "firn needs Python 3.11 or 3.12: python is 3.13; name another: make PYTHON=/path/to/python3.12 ...\n"},
		{"a too old Python", func(m *fakeMachine) { m.python = pythonOf("3.9") }, "firn needs Python 3.11 or 3.12: python is 3.9; name another: make PYTHON=/path/to/python3.12 ...\n"},
		{"a Python without venv", func(m *fakeMachine) { m.python = withoutVenv }, "firn needs Python's venv module: install python3.12-venv\n"},
		{"no Node", func(m *fakeMachine) { m.node = "" }, lacksNode},
		{"an old Node", func(m *fakeMachine) { m.node = "echo v18.20.4" }, "firn needs Node 20 or newer: this is 18.20.4\n"},
		{"no npm", func(m *fakeMachine) { m.npm = "" }, lacksNPM},
		{"no Java", func(m *fakeMachine) { m.java = "" }, lacksJava},
		{"a broken Java", func(m *fakeMachine) { m.java = "exit 1" }, lacksJava},
		{"a too new Java", func(m *fakeMachine) { m.java = javaOf("21") }, "firn needs Java 17: java is 21; name another: JAVA_HOME=/path/to/java-17 make ...\n"},
		{"an old Java", func(m *fakeMachine) { m.java = javaOf("1.8.0_392") }, "firn needs Java 17: java is 1; name another: JAVA_HOME=/path/to/java-17 make ...\n"},
		{"another Java on the PATH", func(m *fakeMachine) { m.java, m.home = javaOf("21"), "17.0.15" }, ""},
		{"another Java in JAVA_HOME", func(m *fakeMachine) { m.home = "11.0.2" }, "firn needs Java 17: JAVA_HOME's java is 11; name another: JAVA_HOME=/path/to/java-17 make ...\n"},
		{"no Maven", func(m *fakeMachine) { m.mvn = "" }, lacksMaven},
		{"no program at all", func(m *fakeMachine) { *m = fakeMachine{} }, lacksGo + wantPython + lacksNode + lacksNPM + lacksJava + lacksMaven},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := completeMachine
			test.change(&m)
			stderr, code := m.run(t)
			wantCode := 0
			if test.want != "" {
				wantCode = 1
			}
			if diff := cmp.Diff(test.want, stderr); diff != "" || code != wantCode {
				t.Errorf("exit code %d, want %d; standard error (-want +got):\n%s", code, wantCode, diff)
			}
		})
	}
}

// run runs the script. The PATH has the machine's programs and common tools.
func (m fakeMachine) run(t *testing.T) (stderr string, code int) {
	t.Helper()
	path := t.TempDir()
	for _, tool := range []string{"bash", "sed", "sort", "head"} {
		found, err := exec.LookPath(tool)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(found, filepath.Join(path, tool)); err != nil {
			t.Fatal(err)
		}
	}
	// make passes the path of a Python, or an empty argument if there is none.
	var arguments string
	for name, script := range map[string]string{
		"go": m.golang, "python": m.python, "node": m.node, "npm": m.npm, "java": m.java, "mvn": m.mvn,
	} {
		if script == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(path, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		if name == "python" {
			arguments = name
		}
	}
	var output bytes.Buffer
	cmd := exec.Command("./prerequisites.sh", arguments)
	cmd.Env, cmd.Stderr = append([]string{"PATH=" + path}, m.javaHome(t)...), &output
	if out, err := cmd.Output(); len(out) > 0 {
		t.Errorf("standard output %q, want none; %v", out, err)
	}
	return output.String(), cmd.ProcessState.ExitCode()
}

// javaHome sets JAVA_HOME to a folder with Java, if the machine has such a folder.
func (m fakeMachine) javaHome(t *testing.T) []string {
	t.Helper()
	if m.home == "" {
		return nil
	}
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "bin", "java"), []byte("#!/bin/sh\n"+javaOf(m.home)+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return []string{"JAVA_HOME=" + home}
}

// TestMakeStopsAtMissingProgram: make prints the missing program and installs nothing.
func TestMakeStopsAtMissingProgram(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("make", "setup", "PYTHON=/nowhere/python3.12")
	cmd.Dir = ".."
	output, err := cmd.CombinedOutput()
	if err == nil || !strings.HasPrefix(string(output), wantPython) || strings.Contains(string(output), "installing") {
		t.Errorf("make setup = %v:\n%s", err, output)
	}
}
