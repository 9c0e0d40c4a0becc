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

var runDemo = flag.Bool("demo", false, "run the tests that run the whole demo")

// demoLimit bounds one demo, set-up done: far beyond what it takes.
const demoLimit = 8 * time.Minute

// demoOutput is what `firn demo --json` prints.
type demoOutput struct {
	demo.Result
	Steps []struct {
		Step    string  `json:"step"`
		Seconds float64 `json:"seconds"`
	} `json:"steps"`
}

// TestDemoCountsRows proves that the demo's account moves with the data, and that it
// fails when a row goes missing. Its runs share a folder: one after the other.
func TestDemoCountsRows(t *testing.T) { //nolint:paralleltest // one demo at a time
	if !*runDemo {
		t.Skip("run by make test-demo")
	}
	t.Run("one line less, one reject more", testRemovedRow)
	t.Run("a row goes missing", testMissingRow)
}

func testRemovedRow(t *testing.T) {
	data := filepath.Join(t.TempDir(), "datasets")
	if err := os.CopyFS(data, os.DirFS(filepath.Join(root(t), "datasets"))); err != nil {
		t.Fatal(err)
	}
	breakPlanes(t, filepath.Join(data, "nycflights/plane/planes.csv"))
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
			result.Rows[i].Objects = 1 // as many parts as pages, which is not what is tested
		}
	}
	if diff := cmp.Diff(want, result.Rows); diff != "" {
		t.Errorf("account (-want +got):\n%s", diff)
	}
	if len(result.Unaccounted) > 0 || len(result.Steps) == 0 {
		t.Errorf("unaccounted %q, %d steps", result.Unaccounted, len(result.Steps))
	}
	if !regexp.MustCompile(`PASS=[1-9]\d* .*ERROR=0\b`).MatchString(result.DBT) {
		t.Errorf("dbt: %s", result.DBT)
	}
	if result.Mail.Subject == "" || !strings.Contains(result.Mail.Body, "nycflights/plane/planes broken.csv") {
		t.Errorf("the mail doesn't name the broken file: %+v", result.Mail)
	}
}

func testMissingRow(t *testing.T) {
	got := runDemoWith(t, "--before-count", "delete from RAW.NYCFLIGHTS_AIRLINE where CARRIER = 'AA'")
	const want = "nycflights.airline: 16 rows loaded by the ledger, but the table holds 15"
	if got.code != 1 || !strings.Contains(got.stderr, "firn: not every row is accounted for:\n  "+want+"\n") {
		t.Errorf("exit code %d:\n%s", got.code, got.stderr)
	}
	if diff := cmp.Diff([]string{want}, decode(t, got.stdout).Unaccounted); diff != "" {
		t.Errorf("unaccounted (-want +got):\n%s", diff)
	}
}

// breakPlanes deletes one line and makes another one break its contract.
func breakPlanes(t *testing.T, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(content, []byte("\n"))
	spoilt := bytes.Replace(lines[200], []byte(","), []byte(",nineteen-"), 1) // no year
	if bytes.Equal(spoilt, lines[200]) {
		t.Fatalf("line 201 of %s has no comma", path)
	}
	lines[200] = spoilt
	if err := os.WriteFile(path, bytes.Join(slices.Delete(lines, 100, 101), nil), 0o600); err != nil {
		t.Fatal(err)
	}
}

// answer is what one run of the demo printed, and its exit code.
type answer struct {
	stdout, stderr string
	code           int
}

// runDemoWith builds the command, runs the demo in the repository, and searches
// for processes and state that the demo left.
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
		t.Fatalf("firn demo: %v, within %s; it said %s", err, demoLimit, stderr.String())
	}
	for _, process := range processes(t, filepath.Join(root(t), "build", "demo"), program) {
		t.Errorf("it left %s", process)
	}
	if _, err := os.Stat(filepath.Join(root(t), "build", "demo", "cloud.json")); err == nil {
		t.Error("it left the state of a cloud that runs")
	}
	return answer{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
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

func decode(t *testing.T, text string) demoOutput {
	t.Helper()
	var value demoOutput
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("not the JSON that it should be: %v\n%s", err, text)
	}
	return value
}
