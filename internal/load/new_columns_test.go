package load_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	diff "github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/load/loadtest"
	"github.com/firn-data/firn/internal/work"
)

// newWithColumns returns a fixture whose contract has the column "name" in CSV files.
func newWithColumns(t testing.TB) *loadtest.Fixture {
	t.Helper()
	fixture := loadtest.NewFixture(t, loadtest.NewFake())
	fixture.Contract = loadtest.ModeContract(fixture.Dataset)
	fixture.Contract.Format = contract.CSV
	for i, column := range fixture.Contract.Columns {
		fixture.Contract.Columns[i].Header = column.Name
	}
	fixture.Loader = fixture.NewLoaderOn(fixture.Warehouse)
	return fixture
}

// columnNotices returns the notices about new columns: the names of each notice, each
// with the file of its first object, and the number of the others.
func columnNotices(fixture *loadtest.Fixture) []string {
	notices := []string{}
	for _, n := range fixture.Notices.SentColumns() {
		var words []string
		for _, column := range n.Columns {
			words = append(words, column.Name+"@"+column.Object[strings.LastIndex(column.Object, "/")+1:])
		}
		if n.More > 0 {
			words = append(words, fmt.Sprintf("+%d", n.More))
		}
		notices = append(notices, strings.Join(words, " "))
	}
	return notices
}

// report records the columns of all notices, as the alert function does after its mail.
func report(t testing.TB, fixture *loadtest.Fixture) {
	t.Helper()
	reported, err := fixture.Journal.NewColumns(t.Context(), fixture.Dataset)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range fixture.Notices.SentColumns() {
		reported = reported.With(n)
	}
	if claimed, err := fixture.Journal.ClaimNewColumns(t.Context(), fixture.Dataset, "alert"); !claimed || err != nil {
		t.Fatalf("claim: %t, %v", claimed, err)
	}
	if recorded, err := fixture.Journal.RecordNewColumns(t.Context(), reported, "alert"); !recorded || err != nil {
		t.Fatalf("record: %t, %v", recorded, err)
	}
}

// TestNewColumnsAreReportedUntilRecorded loads files step by step. After each step it
// compares all notices so far.
func TestNewColumnsAreReportedUntilRecorded(t *testing.T) {
	t.Parallel()
	fixture := newWithColumns(t)
	var many []string
	for i := range 60 {
		many = append(many, fmt.Sprintf("c%02d", i))
	}
	for _, step := range []struct {
		name   string
		load   []loadtest.Delivery
		report bool
		want   []string
	}{
		{"no extra column", []loadtest.Delivery{{Key: "0.csv", Rows: 1}}, false, []string{}},
		{"a receipt of an older contract", []loadtest.Delivery{{Key: "1.csv", Rows: 1, Extra: []string{"name"}, Contract: "0.9.0"}}, false, []string{}},
		{"one notice for all files of a load", []loadtest.Delivery{
			{Key: "2.csv", Rows: 1, Extra: []string{"owner", "Name"}}, {Key: "3.csv", Rows: 1, Extra: []string{"state", "owner"}},
		}, false, []string{"owner@2.csv Name@2.csv state@3.csv"}},
		{"no record yet", []loadtest.Delivery{{Key: "4.csv", Rows: 1, Extra: []string{"owner"}}}, true, []string{"owner@4.csv"}},
		{"a recorded column", []loadtest.Delivery{{Key: "5.csv", Rows: 1, Extra: []string{"owner"}}}, false, []string{}},
		{"a reload", []loadtest.Delivery{{Key: "5.csv", Rows: 2, Generation: 1, Extra: []string{"owner"}}}, false, []string{}},
		{"another column", []loadtest.Delivery{{Key: "6.csv", Rows: 1, Extra: []string{"owner", "color"}}}, true, []string{"color@6.csv"}},
		{"too many columns", []loadtest.Delivery{{Key: "7.csv", Rows: 1, Extra: many}}, true, []string{strings.Join(many[:46], "@7.csv ") + "@7.csv +14"}},
		{"a column without room", []loadtest.Delivery{{Key: "8.csv", Rows: 1, Extra: []string{"last"}}}, false, []string{}},
	} {
		sent := len(columnNotices(fixture))
		var group []loadtest.Delivered
		for _, d := range step.load {
			group = append(group, fixture.Deliver(t, d))
		}
		fixture.MustHandle(t, group...)
		if d := diff.Diff(step.want, columnNotices(fixture)[sent:]); d != "" {
			t.Errorf("%s: notices (-want +got):\n%s", step.name, d)
		}
		if step.report {
			report(t, fixture)
		}
	}
}

// TestNewColumnsOfUnloadedFilesAreNotReported: a refused group, an older version and a
// withdrawal load no file.
func TestNewColumnsOfUnloadedFilesAreNotReported(t *testing.T) {
	t.Parallel()
	fixture := newWithColumns(t)
	newer := fixture.Deliver(t, loadtest.Delivery{Version: "v2", Sequencer: "2", Rows: 1})
	fixture.MustHandle(t, newer)
	fixture.MustHandle(t, fixture.Deliver(t, loadtest.Delivery{Version: "v1", Sequencer: "1", Rows: 1, Extra: []string{"owner"}}))
	if err := fixture.Handle(t, fixture.Deliver(t, loadtest.Delivery{Key: "b.csv", Rows: 1, Broken: true, Extra: []string{"owner"}}))[0]; err == nil {
		t.Error("a broken file loads")
	}
	fixture.MustHandle(t, fixture.Withdrawal(newer))
	if got := columnNotices(fixture); len(got) > 0 {
		t.Errorf("notices %q, want none", got)
	}
}

// TestNewColumnIsReportedAtLeastOnce: without the notice, or without the read of the
// journal, the message comes back. The next loader reports the column.
func TestNewColumnIsReportedAtLeastOnce(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*loadtest.Fixture, bool){
		"notice":  func(f *loadtest.Fixture, on bool) { f.Notices.Unavailable = on },
		"journal": func(f *loadtest.Fixture, on bool) { f.Journal.Unavailable = on },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fixture := newWithColumns(t)
			d := fixture.Deliver(t, loadtest.Delivery{Rows: 1, Extra: []string{"owner"}})
			fail(fixture, true)
			if f := fault.As(fixture.Handle(t, d)[0]); f == nil || f.Disposition != fault.RetryAfter {
				t.Fatalf("got %v, want a retry", f)
			}
			fixture.CheckState(t, d.ID, journal.Transformed)
			fail(fixture, false)
			fixture.MustHandle(t, d)
			fixture.CheckState(t, d.ID, journal.Loaded)
			if got := columnNotices(fixture); !slices.Equal(got, []string{"owner@a.csv"}) {
				t.Errorf("notices %q, want one", got)
			}
		})
	}
}

// TestNewColumnSurvivesCrashOfLoader kills the loader at each step, before and after the
// effect of the step. The message comes back, and at the end a notice has the column.
func TestNewColumnSurvivesCrashOfLoader(t *testing.T) {
	t.Parallel()
	for at := 1; ; at++ {
		crashed := false
		for _, after := range []bool{false, true} {
			fixture := newWithColumns(t)
			d := fixture.Deliver(t, loadtest.Delivery{Rows: 1, Extra: []string{"owner"}})
			crash := &loadtest.Crash{At: at, After: after}
			_ = fixture.HandleWith(t, crash.Wrap(fixture.Loader), d) // a killed loader has no result
			if err := crash.CloseSessions(); err != nil {
				t.Fatal(err)
			}
			crashed = crash.Crashed()
			fixture.MustHandle(t, d)
			if got := columnNotices(fixture); len(got) == 0 || got[0] != "owner@a.csv" {
				t.Errorf("crash at step %d, after its effect %t: notices %q", at, after, got)
			}
		}
		if !crashed && at < 10 {
			t.Fatalf("the loader has %d steps", at-1)
		} else if !crashed {
			return
		}
	}
}

func TestNoticeOfNewColumnsIsDeadLetter(t *testing.T) {
	t.Parallel()
	q := &queue{}
	n := work.CollectNewColumns("shop.customer", nil, []work.NewColumn{{Name: "own\x00er", Object: "s3://landing/a.csv"}})
	if err := (load.DeadLetters{Client: q, URL: "https://queue"}).NewColumns(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	attributes := make(map[string]string)
	for name, value := range q.last.MessageAttributes {
		attributes[name] = aws.ToString(value.StringValue)
	}
	letter, sent := work.DecodeDeadLetter(attributes)
	want := work.DeadLetter{
		Stage: "load", Code: fault.ColumnNotLoaded, Dataset: "shop.customer", Hint: fault.ColumnNotLoaded.Hint(),
		Cause: `files have columns that the contract doesn't have: "own\x00er"`,
	}
	if d := diff.Diff(want, letter); d != "" || !sent || aws.ToString(q.last.QueueUrl) != "https://queue" {
		t.Errorf("queue %s, dead letter (-want +got):\n%s", aws.ToString(q.last.QueueUrl), d)
	}
	body := aws.ToString(q.last.MessageBody)
	if got, ok := work.DecodeNewColumns(body); !ok || diff.Diff(n, got) != "" || strings.ContainsRune(body, 0) {
		t.Errorf("body %s", body)
	}
	q.err = errors.New("no answer")
	if err := (load.DeadLetters{Client: q}).NewColumns(t.Context(), n); !fault.Is(err, fault.QueueAway) {
		t.Errorf("a queue without an answer: %v, want queue_away", err)
	}
}
