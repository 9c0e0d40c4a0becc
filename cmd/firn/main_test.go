package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/snowflake/migrate"
)

var update = flag.Bool("update", false, "write the golden files")

// program is the built command, as a user runs it.
var program string

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "firn:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	folder, err := os.MkdirTemp("", "firn-command-*")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(folder)
	program = filepath.Join(folder, "firn")
	if output, err := exec.Command("go", "build", "-buildvcs=false", "-o", program, ".").CombinedOutput(); err != nil {
		return 1, fmt.Errorf("build the command: %w: %s", err, output)
	}
	return runTests(m), nil
}

// runTests runs the tests of the package. The suite of build tag standin runs
// the tests beside the stand-ins.
var runTests = (*testing.M).Run

// call is one run of the command, in an environment that is listed here and
// nothing else.
type call struct {
	directory string
	variables []string
	arguments []string
	// limit bounds the run; defaults to a minute.
	limit time.Duration
}

type answer struct {
	stdout, stderr string
	code           int
}

func (c call) run(t *testing.T) answer {
	t.Helper()
	limit := c.limit
	if limit == 0 {
		limit = time.Minute
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program, c.arguments...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.directory, &stdout, &stderr
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "AWS_EC2_METADATA_DISABLED=true"}, c.variables...)
	if cmd.Dir == "" {
		cmd.Dir = t.TempDir()
	}
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); ctx.Err() != nil || err != nil && !errors.As(err, &exit) {
		t.Fatalf("firn %s: %v, within %s; it said %s", strings.Join(c.arguments, " "), err, limit, stderr.String())
	}
	return answer{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// succeed runs a command that must end well, and returns what it printed.
func (c call) succeed(t *testing.T) string {
	t.Helper()
	got := c.run(t)
	if got.code != 0 {
		t.Fatalf("firn %s: exit code %d: %s", strings.Join(c.arguments, " "), got.code, got.stderr)
	}
	return got.stdout
}

// golden holds a text against testdata/<name>.golden.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got), -update writes it:\n%s", path, diff)
	}
}

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var value T
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("not the JSON that it should be: %v\n%s", err, text)
	}
	return value
}

// root is the repository.
func root(t *testing.T) string {
	t.Helper()
	folder, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// project is the made-up project.
func project(t *testing.T) string {
	t.Helper()
	return filepath.Join(root(t), "testdata", "project")
}

// copyRepository makes a folder that the command takes for its repository: contracts and
// scripts of the made-up project, and empty files where `make setup` installs programs.
func copyRepository(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	if err := os.CopyFS(filepath.Join(folder, "datasets"), os.DirFS(filepath.Join(project(t), "datasets"))); err != nil {
		t.Fatal(err)
	}
	scripts := migrate.Files(os.DirFS(filepath.Join(root(t), "snowflake")), os.DirFS(filepath.Join(project(t), "snowflake")))
	names, err := fs.Glob(scripts, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		script, err := fs.ReadFile(scripts, name)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(folder, "snowflake", name), string(script))
	}
	for _, path := range []string{"cdk.json", "build/venv/aws/bin/python", "build/venv/snowflake/bin/python", "build/venv/glue/bin/python", "build/jars/s3a.jar", "node_modules/.bin/cdk"} {
		write(t, filepath.Join(folder, path), "")
	}
	return folder
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
