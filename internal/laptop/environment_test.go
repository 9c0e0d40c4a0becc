package laptop_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/firn-data/firn/internal/laptop"
)

func TestNames(t *testing.T) {
	t.Parallel()
	if got := laptop.Names([]string{"A=1", "B=x=y", "C="}); got != "A,B,C" {
		t.Errorf("names = %q", got)
	}
}

// TestInheritedVariablesAreSet checks that each variable for the functions is also a
// variable of the server.
func TestInheritedVariablesAreSet(t *testing.T) {
	t.Parallel()
	cloud := open(t, t.TempDir())
	values := make(map[string]string)
	for _, variable := range cloud.AWSEnvironment() {
		name, value, _ := strings.Cut(variable, "=")
		if _, twice := values[name]; twice {
			t.Errorf("%s is set twice", name)
		}
		values[name] = value
	}
	passed := strings.Split(values["FIRN_LAMBDA_PASS"], ",")
	for _, name := range passed {
		if values[name] == "" {
			t.Errorf("%s is in FIRN_LAMBDA_PASS, but has no value", name)
		}
	}
	for _, own := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "PATH", "HOME"} {
		if slices.Contains(passed, own) {
			t.Errorf("the functions inherit %s, but not in an account", own)
		}
	}
	for name, want := range map[string]string{"AUTH": "true", "BIND_HOST": "127.0.0.1"} {
		if values[name] != want {
			t.Errorf("%s=%s, want %s", name, values[name], want)
		}
	}
}

// TestShellReadsEnvironmentFile sources the file in a shell and compares the variables
// of a child process.
func TestShellReadsEnvironmentFile(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	cloud := open(t, root)
	cloud.Ports = laptop.Ports{AWS: 4566, Snowflake: 4567}
	cloud.EnvironmentFile = filepath.Join(root, "a folder", "local.env")
	if err := os.MkdirAll(cloud.Directory, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := cloud.Save(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-euc", `. "$1"; exec /usr/bin/env`, "sh", cloud.EnvironmentFile)
	cmd.Env = []string{"SNOWFLAKE_PORT=1"}
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("source the file: %v", err)
	}
	got := strings.Split(strings.TrimSpace(string(output)), "\n")
	for _, want := range append(cloud.Environment(), "AWS_ENDPOINT_URL=http://127.0.0.1:4566", "SNOWFLAKE_PORT=4567") {
		if !slices.Contains(got, want) {
			t.Errorf("%s isn't in the variables\n%s", want, output)
		}
	}
}

func TestSetEnvironment(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	cloud := open(t, root)
	got := make(map[string]string)
	if err := cloud.SetEnvironment(func(name, value string) error { got[name] = value; return nil }); err != nil {
		t.Fatal(err)
	}
	if got["FIRN_DATASETS"] != filepath.Join(root, "datasets") || got["AWS_ENDPOINT_URL"] != cloud.Endpoint() {
		t.Errorf("set %v", got)
	}
	err := cloud.SetEnvironment(func(string, string) error { return errors.New("refused") })
	if err == nil || !strings.Contains(err.Error(), "AWS_ENDPOINT_URL") {
		t.Errorf("SetEnvironment = %v, want an error that names the variable", err)
	}
}

func TestErrorLines(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, output, want string }{
		{"lines about an error", "building\nsome Error: a\nmore\nfirn: b\n", "some Error: a\nfirn: b"},
		{"no line about an error", "a\nb\n", "a\nb"},
		{"more than five lines", "error 1\nerror 2\nerror 3\nerror 4\nerror 5\nerror 6\n", "error 2\nerror 3\nerror 4\nerror 5\nerror 6"},
		{"no output", "", ""},
	}
	for _, test := range tests {
		if got := laptop.Reason([]byte(test.output)); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
