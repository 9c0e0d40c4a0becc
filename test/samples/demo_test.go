//go:build endtoend

package samples_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/demo"
)

var runDemo = flag.Bool("demo", false, "run the slow tests of the whole demo")

// demoLimit is the longest duration of a demo without setup. A demo needs much less
// time.
const demoLimit = 8 * time.Minute

// demoOutput is the output of `firn demo --json`.
type demoOutput struct {
	demo.Result
	Steps []struct {
		Step    string  `json:"step"`
		Seconds float64 `json:"seconds"`
	} `json:"steps"`
}

// TestDemoCountsRows checks that the demo's counts follow the data, and that the demo
// fails for a missing row. The runs share a folder, so they run in sequence.
func TestDemoCountsRows(t *testing.T) { //nolint:paralleltest // one demo at a time
	if !*runDemo {
		t.Skip("the test needs `make test-demo`")
	}
	t.Run("removed line and broken line", testRemovedRow)
	t.Run("missing row", testMissingRow)
}

func testRemovedRow(t *testing.T) {
	data := filepath.Join(t.TempDir(), "datasets")
	if err := os.CopyFS(data, os.DirFS(filepath.Join(root(t), "datasets"))); err != nil {
		t.Fatal(err)
	}
	breakPlanes(t, filepath.Join(data, "nycflights/plane/planes_2013-12-31.csv"))
	got := runDemoWith(t, "--data", data)
	if got.code != 0 {
		t.Fatalf("exit code %d:\n%s", got.code, got.stderr)
	}
	result := decode(t, got.stdout)
	row := func(dataset string, objects int, rows int64) demo.Row {
		return demo.Row{Dataset: dataset, Engine: "lambda", Objects: objects, Read: rows, Written: rows, Loaded: rows, Counted: rows}
	}
	weather := row("nycflights.weather", 1, 2226)
	weather.Engine = "glue"
	want := []demo.Row{
		row("nycflights.airline", 1, 16),
		row("nycflights.airport", 1, 1458),
		row("nycflights.flight", 1, 27_004),
		{Dataset: "nycflights.plane", Engine: "lambda", Objects: 1, Read: 3321, Written: 3320, Rejected: 1, Loaded: 3320, Counted: 3320, CountedRejects: 1},
		weather,
		row("usgs.event", 1, 1707),
	}
	for i := range result.Rows {
		if result.Rows[i].Dataset == "usgs.event" && result.Rows[i].Objects > 0 {
			result.Rows[i].Objects = 1 // the number of pages doesn't matter here
		}
	}
	if diff := cmp.Diff(want, result.Rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if len(result.Unaccounted) > 0 || len(result.Steps) == 0 {
		t.Errorf("missing rows %q, %d steps, want no missing rows and some steps", result.Unaccounted, len(result.Steps))
	}
	if !regexp.MustCompile(`PASS=[1-9]\d* .*ERROR=0\b`).MatchString(result.DBT) {
		t.Errorf("dbt: %s", result.DBT)
	}
	if result.Mail.Subject == "" || !strings.Contains(result.Mail.Body, "nycflights/plane/planes_2013-12-31 broken.csv") {
		t.Errorf("the mail lacks the name of the broken file: %+v", result.Mail)
	}
}

func testMissingRow(t *testing.T) {
	got := runDemoWith(t, "--before-count", "delete from RAW.NYCFLIGHTS_AIRLINE where CARRIER = 'AA'")
	const want = "nycflights.airline: 16 rows in the ledger, but the table has 15"
	if got.code != 1 || !strings.Contains(got.stderr, "firn: not every row is accounted for:\n  "+want+"\n") {
		t.Errorf("exit code %d:\n%s", got.code, got.stderr)
	}
	if diff := cmp.Diff([]string{want}, decode(t, got.stdout).Unaccounted); diff != "" {
		t.Errorf("missing rows (-want +got):\n%s", diff)
	}
}

// breakPlanes deletes one line and breaks the contract in another line.
func breakPlanes(t *testing.T, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(content, []byte("\n"))
	broken := bytes.Replace(lines[200], []byte(","), []byte(",nineteen-"), 1) // an invalid year
	if bytes.Equal(broken, lines[200]) {
		t.Fatalf("line 201 of %s has no comma", path)
	}
	lines[200] = broken
	if err := os.WriteFile(path, bytes.Join(slices.Delete(lines, 100, 101), nil), 0o600); err != nil {
		t.Fatal(err)
	}
}

// answer is the output of one demo run, and its exit code.
type answer struct {
	stdout, stderr string
	code           int
}

// runDemoWith builds the command, runs the demo in the repository, and checks for
// leftover processes and state.
func runDemoWith(t *testing.T, arguments ...string) answer {
	t.Helper()
	program := filepath.Join(t.TempDir(), "firn")
	if output, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", program, "../../cmd/firn").CombinedOutput(); err != nil {
		t.Fatalf("build the command: %v: %s", err, output)
	}
	ctx, cancel := context.WithTimeout(t.Context(), demoLimit)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program, append([]string{"demo", "--json"}, arguments...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = root(t), &stdout, &stderr
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "AWS_EC2_METADATA_DISABLED=true"}
	if home := os.Getenv("JAVA_HOME"); home != "" {
		cmd.Env = append(cmd.Env, "JAVA_HOME="+home)
	}
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); ctx.Err() != nil || err != nil && !errors.As(err, &exit) {
		t.Fatalf("firn demo: %v, limit %s, stderr: %s", err, demoLimit, stderr.String())
	}
	for _, process := range processes(t, filepath.Join(root(t), "build", "demo"), program) {
		t.Errorf("the demo left the process %s", process)
	}
	if _, err := os.Stat(filepath.Join(root(t), "build", "demo", "cloud.json")); err == nil {
		t.Error("the demo left the state of a running cloud")
	}
	return answer{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// root returns the root folder of the repository.
func root(t *testing.T) string {
	t.Helper()
	folder, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

func decode(t *testing.T, text string) demoOutput {
	t.Helper()
	var value demoOutput
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("invalid JSON: %v\n%s", err, text)
	}
	return value
}
