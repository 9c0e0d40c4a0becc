package main_test

import (
	"bytes"
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

// shown is what `firn demo --json` prints.
type shown struct {
	demo.Result
	Steps []struct {
		Step    string  `json:"step"`
		Seconds float64 `json:"seconds"`
	} `json:"steps"`
}

// TestDemo proves that the demo's account moves with the data, and that it
// fails when a row goes missing. Its runs share a folder: one after the other.
func TestDemo(t *testing.T) { //nolint:paralleltest // one demo at a time
	if !*runDemo {
		t.Skip("run by make test-demo")
	}
	t.Run("one line less, one reject more", testOneLess)
	t.Run("a row goes missing", testOneMissing)
}

func testOneLess(t *testing.T) {
	data := filepath.Join(t.TempDir(), "datasets")
	if err := os.CopyFS(data, os.DirFS(filepath.Join(root(t), "datasets"))); err != nil {
		t.Fatal(err)
	}
	spoilPlanes(t, filepath.Join(data, "nycflights/plane/planes.csv"))
	got := runDemoWith(t, "--data", data)
	if got.code != 0 {
		t.Fatalf("exit code %d:\n%s", got.code, got.stderr)
	}
	result := decode[shown](t, got.stdout)
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

func testOneMissing(t *testing.T) {
	got := runDemoWith(t, "--before-count", "delete from RAW.NYCFLIGHTS_AIRLINE where CARRIER = 'AA'")
	const want = "nycflights.airline: 16 rows loaded by the ledger, but the table holds 15"
	if got.code != 1 || !strings.Contains(got.stderr, "firn: not every row is accounted for:\n  "+want+"\n") {
		t.Errorf("exit code %d:\n%s", got.code, got.stderr)
	}
	if diff := cmp.Diff([]string{want}, decode[shown](t, got.stdout).Unaccounted); diff != "" {
		t.Errorf("unaccounted (-want +got):\n%s", diff)
	}
}

// spoilPlanes deletes one line and makes another one break its contract.
func spoilPlanes(t *testing.T, path string) {
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
	write(t, path, string(bytes.Join(slices.Delete(lines, 100, 101), nil)))
}

// runDemoWith runs the demo in the repository and looks for what it left.
func runDemoWith(t *testing.T, arguments ...string) answer {
	t.Helper()
	got := call{directory: root(t), arguments: append([]string{"demo", "--json"}, arguments...), limit: demoLimit}.run(t)
	for _, process := range processes(t, filepath.Join(root(t), "build", "demo"), program) {
		t.Errorf("it left %s", process)
	}
	if _, err := os.Stat(filepath.Join(root(t), "build", "demo", "cloud.json")); err == nil {
		t.Error("it left the state of a cloud that runs")
	}
	return got
}

// processes returns the commands of this machine's processes whose command or
// environment names one of the texts.
func processes(t *testing.T, texts ...string) []string {
	t.Helper()
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil || len(folders) == 0 {
		t.Fatalf("no /proc: %v", err)
	}
	var found []string
	for _, folder := range folders {
		command, _ := os.ReadFile(filepath.Join(folder, "cmdline")) // one that has just ended has none
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

// TestProcesses: what looks for leftovers finds one.
func TestProcesses(t *testing.T) {
	t.Parallel()
	mark := filepath.Join(t.TempDir(), "mark")
	for _, c := range []*exec.Cmd{
		{Path: "/bin/sleep", Args: []string{"sleep", "60"}, Env: []string{"STATE=" + mark}},
		{Path: "/bin/sh", Args: []string{"sh", "-c", "read line", mark}}, // a shell that forks would show up twice
	} {
		if _, err := c.StdinPipe(); err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		if found := processes(t, mark); len(found) != 1 {
			t.Errorf("%s: found %q", c, found)
		}
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = c.Wait()
	}
	if found := processes(t, mark); len(found) > 0 {
		t.Errorf("none is left, found %q", found)
	}
}
