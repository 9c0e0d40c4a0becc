package main_test

import (
	"bytes"
	"cmp"
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

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/snowflake/migrate"
)

var update = flag.Bool("update", false, "write the golden files")

// program is the path of the built command.
var program string

// runMain builds the command and runs the tests of the package.
func runMain(runTests func() int) int {
	folder, err := os.MkdirTemp("", "firn-command-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, "firn:", err)
		return 1
	}
	defer os.RemoveAll(folder)
	program = filepath.Join(folder, "firn")
	if output, err := exec.Command("go", "build", "-buildvcs=false", "-o", program, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "firn: build the command: %v: %s\n", err, output)
		return 1
	}
	return runTests()
}

// call is a run of the command. The environment has only PATH, HOME and the listed
// variables.
type call struct {
	directory string
	variables []string
	arguments []string
	// program is the path of the command. Defaults to the built command.
	program string
	// limit is the longest time of the run. Defaults to a minute.
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
	cmd := exec.CommandContext(ctx, cmp.Or(c.program, program), c.arguments...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.directory, &stdout, &stderr
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "AWS_EC2_METADATA_DISABLED=true"}, c.variables...)
	if cmd.Dir == "" {
		cmd.Dir = t.TempDir()
	}
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); ctx.Err() != nil || err != nil && !errors.As(err, &exit) {
		t.Fatalf("firn %s: %v, limit %s; standard error: %s", strings.Join(c.arguments, " "), err, limit, stderr.String())
	}
	return answer{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// succeed runs the command, which must exit with 0, and returns standard output.
func (c call) succeed(t *testing.T) string {
	t.Helper()
	got := c.run(t)
	if got.code != 0 {
		t.Fatalf("firn %s: exit code %d: %s", strings.Join(c.arguments, " "), got.code, got.stderr)
	}
	return got.stdout
}

// golden compares a text with testdata/<name>.golden.
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
	if diff := gocmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got), -update writes the file:\n%s", path, diff)
	}
}

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var value T
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("unexpected JSON: %v\n%s", err, text)
	}
	return value
}

// decodeAny decodes JSON that may have further fields.
func decodeAny[T any](t *testing.T, text string) T {
	t.Helper()
	var value T
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("unexpected JSON: %v\n%s", err, text)
	}
	return value
}

// root is the folder of the repository.
func root(t *testing.T) string {
	t.Helper()
	folder, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// project is the folder of the made-up project.
func project(t *testing.T) string {
	t.Helper()
	return filepath.Join(root(t), "testdata", "project")
}

// copyRepository makes a repository for the command: contracts and scripts of the
// made-up project, and empty files in place of the programs of `make setup`.
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
