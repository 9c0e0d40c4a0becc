package help_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/help"
)

func TestEveryCodeHasHelp(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(fault.Codes(), help.Codes()); diff != "" {
		t.Errorf("codes with help (-fault.Codes +help.Codes):\n%s", diff)
	}
	for _, code := range help.Codes() {
		if len(help.ForCode(code).Ways) == 0 {
			t.Errorf("%s has no way", code)
		}
	}
	if unknown := help.ForCode("of_another_version"); !unknown.Has(help.Redrive) {
		t.Error("an unknown code has no redrive")
	}
}

var (
	start = time.Date(2026, 3, 1, 1, 0, 0, 0, time.FixedZone("", 3600))
	// object is a subject with one object.
	object = help.Subject{Dataset: "shop.order", Code: fault.BadHeader, Objects: 1, Name: "s3://b/it's.csv", ID: "0a", Key: "it's.csv", InJournal: true}
)

// with returns the subject after a change.
func with(s help.Subject, change func(*help.Subject)) help.Subject {
	change(&s)
	return s
}

// TestCommandOfEachKind has the command of each kind, and the subjects without the
// values of the command.
func TestCommandOfEachKind(t *testing.T) {
	t.Parallel()
	several := with(object, func(s *help.Subject) { s.Objects, s.Name, s.ID, s.Key = 3, "", "", "" })
	tests := []struct {
		kind    help.Kind
		subject help.Subject
		want    string
	}{
		{help.Wait, object, ""},
		{help.Put, object, `firn put --key 'it'\''s.csv' FILE`},
		{help.Put, several, ""},
		{help.Redrive, object, `firn redrive 's3://b/it'\''s.csv'`},
		{help.Redrive, several, "firn redrive --dataset shop.order --code bad_header"},
		{help.Redrive, with(several, func(s *help.Subject) { s.Dataset = "" }), "firn redrive --dataset - --code bad_header"},
		{help.Redrive, with(several, func(s *help.Subject) { s.Code = "" }), ""},
		{help.Redrive, help.Subject{Dataset: "shop.order", Code: fault.BadHeader}, ""},
		{help.Dismiss, object, `firn dismiss 's3://b/it'\''s.csv' --reason TEXT`},
		{help.Dismiss, with(several, func(s *help.Subject) { s.Reason = "a test" }), "firn dismiss --dataset shop.order --code bad_header --reason 'a test'"},
		{help.Dismiss, help.Subject{}, ""},
		{help.Reload, object, "firn reload --object 0a"},
		{help.Reload, with(object, func(s *help.Subject) { s.InJournal = false }), "firn reload --dataset shop.order --object 0a"},
		{help.Reload, with(object, func(s *help.Subject) { s.Successor = "0b" }), "firn reload --object 0b"},
		{help.Reload, several, ""},
		{help.Withdraw, with(object, func(s *help.Subject) { s.Reason = "wrong file" }), `firn withdraw 's3://b/it'\''s.csv' --reason 'wrong file'`},
		{help.Withdraw, with(object, func(s *help.Subject) { s.InJournal = false }), `firn withdraw 's3://b/it'\''s.csv' --reason TEXT --dataset shop.order`},
		{help.Withdraw, several, ""},
		{help.Accept, help.Subject{Dataset: "shop.customer", Delivery: "2026-02-28"}, "firn accept shop.customer 2026-02-28"},
		{help.Accept, object, ""},
		{help.Ingest, help.Subject{Dataset: "station.event", Start: start, End: start.AddDate(0, 0, 1)}, "firn ingest station.event --start 2026-03-01T00:00:00Z --end 2026-03-02T00:00:00Z"},
		{help.Ingest, object, ""},
		{help.Migrate, object, "firn migrate"},
		{help.Resume, object, "firn resume shop.order"},
		{help.Resume, help.Subject{}, ""},
		{help.Sweep, object, "firn sweep"},
		{help.Query, help.Subject{Statement: "select 'a'"}, `firn query 'select '\''a'\'''`},
		{help.Query, object, ""},
	}
	var tested []help.Kind
	for _, test := range tests {
		tested = append(tested, test.kind)
		if got := (help.Way{Kind: test.kind}).Command(test.subject).String(); got != test.want {
			t.Errorf("%s of %+v: %q, want %q", test.kind, test.subject, got, test.want)
		}
	}
	slices.Sort(tested)
	if diff := cmp.Diff(help.Kinds(), slices.Compact(tested)); diff != "" {
		t.Errorf("tested kinds (-help.Kinds +tests):\n%s", diff)
	}
}

// TestMainAndOtherWays: the usual way is the first way that fits the subject.
func TestMainAndOtherWays(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		help    help.Help
		subject help.Subject
		main    help.Kind
		others  []help.Kind
	}{
		{"one object", help.ForCode(fault.BadHeader), object, help.Put, []help.Kind{help.Redrive, help.Dismiss}},
		{"a key that can't be typed", help.ForCode(fault.BadHeader), with(object, func(s *help.Subject) { s.Key = "" }), help.Redrive, []help.Kind{help.Dismiss}},
		{"a run", help.ForCode(fault.Exhausted), help.Subject{Dataset: "a.b", Start: start, End: start}, help.Ingest, nil},
		{"an object", help.ForCode(fault.Exhausted), object, help.Redrive, []help.Kind{help.Dismiss}},
		{"an outage", help.ForCode(fault.StoreAway), object, help.Wait, nil},
		{"a source for a run", help.ForCode(fault.SourceAway), help.Subject{Dataset: "a.b", Start: start, End: start}, help.Ingest, []help.Kind{help.Wait}},
		{"stuck", help.ForDifference("stuck"), object, help.Sweep, []help.Kind{help.Dismiss}},
		{"stuck in a paused dataset", help.ForDifference("stuck"), with(object, func(s *help.Subject) { s.Paused, s.Behind = true, true }), help.Resume, []help.Kind{help.Migrate, help.Sweep, help.Dismiss}},
		{"stuck behind a table", help.ForDifference("stuck"), with(object, func(s *help.Subject) { s.Behind = true }), help.Migrate, []help.Kind{help.Sweep, help.Dismiss}},
		{"a lost newer version", help.ForDifference("no_successor"), object, help.Put, nil},
		{"a newer version", help.ForDifference("no_successor"), with(object, func(s *help.Subject) { s.Successor = "0b" }), help.Reload, []help.Kind{help.Put}},
	}
	for _, test := range tests {
		main, found := test.help.Main(test.subject)
		var others []help.Kind
		for _, way := range test.help.Others(test.subject) {
			others = append(others, way.Kind)
		}
		if !found || main.Kind != test.main || !slices.Equal(others, test.others) {
			t.Errorf("%s: %s, then %v; want %s, then %v", test.name, main.Kind, others, test.main, test.others)
		}
	}
	if _, found := help.ForDifference("of_another_version").Main(object); found {
		t.Error("an unknown difference has a way")
	}
	if way, found := help.ForCode(fault.NoDataset).Main(help.Subject{}); found {
		t.Errorf("no object has the way %s", way.Kind)
	}
}
