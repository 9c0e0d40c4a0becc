//go:build standin

package main_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/work"
)

func TestStatus(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	golden(t, "status-nothing.json", f.command("status", "--json").succeed(t))
	golden(t, "status-nothing", f.command("status").succeed(t))
	o := f.failed(t, "shop/order/it's broken.csv", fault.BadHeader)
	golden(t, "status-failed", f.command("status").needsPerson(t, "shop.order"))
	golden(t, "status-object", f.command("status", o.URI()).succeed(t))
	golden(t, "status-object.json", f.command("status", "--json", string(o.ID())).succeed(t))
	golden(t, "status-dataset.json", f.command("status", "--json", "--dataset", "shop.order").needsPerson(t, "shop.order"))
	golden(t, "status-unclaimed.json", f.command("status", "--json", "--dataset", "-").succeed(t))
	expectExit(t, f.command("status", "s3://landing/never.csv"), 2, "the journal has no entry of s3://landing/never.csv: was the object put into the landing bucket ")
	expectExit(t, f.command("status", "never.csv"), 2, `"never.csv" is no object: write s3://bucket/key`)
	expectExit(t, f.command("status", "--dataset", "shop.ordr"), 2, `no contract for dataset "shop.ordr": name one of `)
}

// needsPerson runs the command, which must exit with 1 and name the datasets, and returns
// standard output.
func (c call) needsPerson(t *testing.T, datasets string) string {
	t.Helper()
	got := c.run(t)
	if want := "firn: failed objects, failed runs, held deliveries or long waits need a person: " + datasets + "\n"; got.code != 1 || got.stderr != want {
		t.Errorf("firn %s: exit code %d, %q; want 1, %q", strings.Join(c.arguments, " "), got.code, got.stderr, want)
	}
	return got.stdout
}

// TestInterruptedWatchKeepsCode: after Ctrl-C the exit code of `firn status --watch` is
// the code of the last status.
func TestInterruptedWatchKeepsCode(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.failed(t, "shop/order/broken.csv", fault.BadHeader)
	var stderr bytes.Buffer
	watch := exec.CommandContext(t.Context(), program, "status", "--watch", "--interval", "1h")
	watch.Dir, watch.Stderr = t.TempDir(), &stderr
	watch.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "AWS_EC2_METADATA_DISABLED=true"}, f.variables...)
	stdout, err := watch.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	lines, shown := bufio.NewScanner(stdout), false
	for !shown && lines.Scan() {
		shown = strings.Contains(lines.Text(), "broken.csv") // the last line of the status
	}
	if err := watch.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, stdout)
	_ = watch.Wait()
	if code := watch.ProcessState.ExitCode(); code != 1 || strings.Contains(stderr.String(), "interrupted") {
		t.Errorf("exit code %d, want 1; standard error: %s", code, stderr.String())
	}
}

// TestStatusListsRuns: the list has each run that isn't finished, with its cause, its next
// try and the next command. A failed run needs a person.
func TestStatusListsRuns(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	name := func(id string) journal.RunName { return journal.RunName{Dataset: "station.event", ID: id} }
	for _, id := range []string{"20180131T000000Z-20180201T000000Z", "20180201T000000Z-20180202T000000Z", "20180202T000000Z-20180203T000000Z", "20180203T000000Z-20180204T000000Z"} {
		if _, err := f.stages.OrderRun(t.Context(), journal.RunOrder{RunName: name(id), Message: "{}"}); err != nil {
			t.Fatal(err)
		}
	}
	waiting, at := name("20180201T000000Z-20180202T000000Z"), time.Date(2026, 3, 1, 13, 0, 0, 0, time.UTC)
	failure := fault.Permanentf("query source", fault.SourceUnknownHost, "lookup sorce.test: no such host")
	failure.Dataset, failure.RunID = "station.event", "20180202T000000Z-20180203T000000Z"
	_, failErr := f.stages.Fail(t.Context(), failure, "ingest", "arn", "{}")
	err := errors.Join(
		f.stages.SaveCheckpoint(t.Context(), waiting, 1, journal.RunProgress{Pages: 2, Rows: 1000}),
		f.stages.DelayRun(t.Context(), waiting, journal.Delay{
			Stage: "ingest", Code: fault.SourceAway, Cause: "503 Service Unavailable", Hint: fault.SourceAway.Hint(), Tries: 7,
			Last: at, Next: at.Add(320 * time.Second), Repeats: 7, Since: at.Add(-315 * time.Second),
		}),
		failErr,
		f.stages.SaveCheckpoint(t.Context(), name("20180203T000000Z-20180204T000000Z"), 1, journal.RunProgress{Finished: true}),
	)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "status-runs", f.command("status", "--dataset", "station.event").needsPerson(t, "station.event"))
	golden(t, "status-runs.json", f.command("status", "--json", "--dataset", "station.event").needsPerson(t, "station.event"))
}

// TestStatusHasRejectsByRule: the most frequent rule comes first.
func TestStatusHasRejectsByRule(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	o := object.Object{Bucket: "landing", Key: "shop/order/a.csv", Version: "v1"}
	if _, err := b.stages.Receive(t.Context(), o, "shop.order"); err != nil {
		t.Fatal(err)
	}
	receipt := work.Receipt{
		Object: o, ObjectID: o.ID(), Dataset: "shop.order", Outcome: work.Accepted, RowsRead: 9, RowsWritten: 6, RowsRejected: 3,
		RejectsByRule: map[string]int64{"_row:columns": 1, "amount:decimal": 2},
	}
	if _, err := b.stages.Transformed(t.Context(), receipt, work.Location{Bucket: "curated", Key: "receipt.json"}); err != nil {
		t.Fatal(err)
	}
	if text := b.command("status", o.URI()).succeed(t); !regexp.MustCompile(`(?m)^rejects by rule +amount:decimal 2, _row:columns 1$`).MatchString(text) {
		t.Errorf("the status has no rejects by rule:\n%s", text)
	}
}

// TestStatusNamesSameBytes: the status of an object names the first object with the same
// bytes.
func TestStatusNamesSameBytes(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	first := b.failed(t, "shop/order/first.csv", fault.BadHeader)
	o := object.Object{Bucket: "landing", Key: "shop/order/second.csv", Version: "v1"}
	if _, err := b.stages.Receive(t.Context(), o, "shop.order"); err != nil {
		t.Fatal(err)
	}
	if err := b.stages.Loaded(t.Context(), o.ID(), journal.Load{LoadID: "l1", Rows: 3, DuplicateOf: first.ID()}); err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`(?m)^same bytes as +s3://landing/shop/order/first\.csv \(` + string(first.ID()) + `\)$`)
	if text := b.command("status", o.URI()).succeed(t); !want.MatchString(text) {
		t.Errorf("the status doesn't name the first object:\n%s", text)
	}
	if text := b.command("status", "--json", o.URI()).succeed(t); !strings.Contains(text, `"duplicate_of": "`+string(first.ID())+`"`) {
		t.Errorf("the JSON doesn't have the id of the first object:\n%s", text)
	}
}

// TestStatusOfKeyWithControlCharacters: no control character reaches the terminal, and
// the command names the object by its id.
func TestStatusOfKeyWithControlCharacters(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	o := b.failed(t, "shop/order/\x1b[31mred\n.csv", fault.BadHeader)
	for _, text := range []string{b.command("status", o.URI()).succeed(t), b.command("status").needsPerson(t, "shop.order")} {
		if !strings.Contains(text, `s3://landing/shop/order/\x1b[31mred\n.csv`) || strings.ContainsAny(text, "\x1b") {
			t.Errorf("the status is %q", text)
		}
	}
	if text := b.command("status", string(o.ID())).succeed(t); !strings.Contains(text, "firn redrive "+string(o.ID())) {
		t.Errorf("the command doesn't name the object's id:\n%s", text)
	}
}

// TestStatusListsNewColumns: without the columns that the contract has by now.
func TestStatusListsNewColumns(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	at := time.Date(2026, 12, 1, 10, 0, 5, 123, time.UTC)
	reported := work.NewColumns{Dataset: "shop.customer", Columns: []work.NewColumn{
		{Name: "owner", Object: "s3://landing/shop/customer/1.csv", LoadedAt: at}, {Name: "a\tb\u202e", Object: "s3://landing/shop/customer/2\n.csv", LoadedAt: at},
	}, More: 7}
	known := work.NewColumns{Dataset: "shop.order", Columns: []work.NewColumn{{Name: "state", Object: "s3://landing/shop/order/1.csv", LoadedAt: at}}}
	for _, n := range []work.NewColumns{reported, known} {
		if _, err := b.stages.ClaimNewColumns(t.Context(), n.Dataset, "alert"); err != nil {
			t.Fatal(err)
		}
		if recorded, err := b.stages.RecordNewColumns(t.Context(), n, "alert"); !recorded || err != nil {
			t.Fatalf("record: %t, %v", recorded, err)
		}
	}
	const table = "\nNEW COLUMN                   DATASET        FIRST LOAD               FIRST FILE\n" +
		"owner                        shop.customer  2026-12-01 10:00:05 UTC  s3://landing/shop/customer/1.csv\n" +
		`"a\tb\u202e"                 shop.customer  2026-12-01 10:00:05 UTC  s3://landing/shop/customer/2\n.csv` + "\n" +
		"7 more: see OPS.NEW_COLUMNS  shop.customer\n"
	for _, arguments := range [][]string{{"status"}, {"status", "--dataset", "shop.customer"}} {
		if got := b.command(arguments...).succeed(t); !strings.HasSuffix(got, table) {
			t.Errorf("firn %v lacks\n%s\nbut prints\n%s", arguments, table, got)
		}
	}
	if got := b.command("status", "--dataset", "shop.order").succeed(t); strings.Contains(got, "NEW COLUMN") {
		t.Errorf("the contract has the column:\n%s", got)
	}
	summaries := decode[[]operator.Summary](t, b.command("status", "--json", "--dataset", "shop.customer").succeed(t))
	if len(summaries) != 1 || len(summaries[0].NewColumns) != 2 || summaries[0].NewColumns[0] != reported.Columns[0] || summaries[0].MoreNewColumns != 7 {
		t.Errorf("JSON %+v", summaries)
	}
}
