//go:build standin

package operator_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/snowflake/ddl"
	"github.com/firn-data/firn/internal/work"
)

// withdrawer answers with a number of busy locks, then with the result, or with err.
type withdrawer struct {
	busy   int
	result load.WithdrawalResult
	err    error
	asked  []work.Work
	// deleted has the objects whose curated files were deleted.
	deleted []object.ID
}

func (w *withdrawer) Withdraw(_ context.Context, asked work.Work) (load.WithdrawalResult, error) {
	w.asked = append(w.asked, asked)
	if w.busy > 0 {
		w.busy--
		return load.WithdrawalResult{}, fault.Dependency("take lock", fault.LockBusy, errors.New("busy"))
	}
	return w.result, w.err
}

func (w *withdrawer) DeleteFiles(_ context.Context, _ string, id object.ID) error {
	w.deleted = append(w.deleted, id)
	return nil
}

// TestWithdrawWaitsForRunningLoad also passes reason, person and generation on.
func TestWithdrawWaitsForRunningLoad(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	o := f.loaded(t, "shop/order/1.csv")
	by := &withdrawer{busy: 3, result: load.WithdrawalResult{LoadID: "w1", Ended: []load.EndedRow{{
		Row: load.LedgerRow{ID: o.ID(), Object: o, LoadID: "l1", RowsLoaded: 3, RowsRejected: 1},
	}}}}
	var reported []operator.Withdrawn
	asked := operator.Withdraw{Objects: []string{o.URI()}, By: "ann", Reason: "wrong file", Withdrawer: by, Files: by}
	if err := f.Withdraw(t.Context(), asked, func(w operator.Withdrawn) { reported = append(reported, w) }); err != nil {
		t.Fatal(err)
	}
	want := []operator.Withdrawn{{
		ID: o.ID(), Object: o, Dataset: orders,
		Ended: []operator.EndedVersion{{ID: o.ID(), Version: "v1", LoadID: "l1", Rows: 3, Rejected: 1}},
	}}
	if diff := cmp.Diff(want, reported); diff != "" {
		t.Errorf("reported (-want +got):\n%s", diff)
	}
	wanted := work.Work{Stage: work.Load, Dataset: orders, Object: o, Withdraw: &work.Withdrawal{By: "ann", Note: "wrong file"}}
	if diff := cmp.Diff([]work.Work{wanted, wanted, wanted, wanted}, by.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]object.ID{o.ID()}, by.deleted); diff != "" {
		t.Errorf("deleted files (-want +got):\n%s", diff)
	}
}

func TestWithdrawRefuses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	o := f.loaded(t, "shop/order/1.csv")
	unclaimed := f.received(t, "other/1.csv", "")
	ignored := object.Object{Bucket: f.Stack.LandingBucket, Key: "shop/order/", Version: "v1"}
	if err := f.stages.Ignore(t.Context(), ignored, "an empty folder"); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		objects []string
		reason  string
		err     error
		busy    int
		want    string
	}{
		{[]string{o.URI()}, " ", nil, 0, "a withdrawal needs a reason"},
		{[]string{o.URI()}, strings.Repeat("ä", 1001), nil, 0, "the reason has more than 1000 characters"},
		{nil, "r", nil, 0, "name the objects to withdraw"},
		{[]string{"s3://b/never"}, "r", nil, 0, "the journal has no entry of s3://b/never"},
		{[]string{o.URI(), unclaimed.URI()}, "r", nil, 0, "the object has no contract"},
		{[]string{string(ignored.ID())}, "r", nil, 0, "the object has no contract"},
		{[]string{o.URI()}, "r", errors.New("no answer"), 0, "no answer (run the command again)"},
		{[]string{o.URI()}, "r", nil, 1000, "lock_busy"},
	} {
		by := &withdrawer{err: test.err, busy: test.busy}
		asked := operator.Withdraw{Objects: test.objects, By: "ann", Reason: test.reason, Withdrawer: by, Files: by}
		err := f.Withdraw(t.Context(), asked, func(w operator.Withdrawn) { t.Errorf("reported %+v", w) })
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("Withdraw %q: %v, want %q", test.objects, err, test.want)
		}
		if test.err == nil && test.busy == 0 && len(by.asked) != 0 {
			t.Errorf("Withdraw %q: %d objects were withdrawn before the error", test.objects, len(by.asked))
		}
	}
}

// TestWithdrawalOfLostJournalEntry: only the ledger has the object. The withdrawal
// restores the entry, and a reload of the withdrawn object is refused.
func TestWithdrawalOfLostJournalEntry(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tables, c := f.newTables(t), f.Contracts.ByDataset(orders)
	lost := object.Object{Bucket: f.Stack.LandingBucket, Key: "shop/order/lost.csv", Version: "v1"}
	gone := object.Object{Bucket: f.Stack.LandingBucket, Key: "shop/order/gone.csv", Version: "v1"}
	for _, o := range []object.Object{lost, gone} {
		record(t, tables, c, o, 2, "2026-03-04T00:00:00Z")
	}
	by := &withdrawer{}
	asked := operator.Withdraw{Dataset: orders, Objects: []string{string(lost.ID())}, Ledger: tables, By: "ann", Reason: "r", Withdrawer: by, Files: by}
	if err := f.Withdraw(t.Context(), asked, func(operator.Withdrawn) {}); err != nil {
		t.Fatal(err)
	}
	if entry, err := f.Journal.Get(t.Context(), lost.ID()); err != nil || entry.State != journal.Loaded || by.asked[0].Generation != 2 {
		t.Errorf("entry %+v, %v; asked %+v", entry, err, by.asked)
	}
	_, err := tables.Session.Query(t.Context(), "withdraw", "update "+ddl.LedgerName(c)+" set withdrawn_at = loaded_at where object = ?", string(gone.ID()))
	if err != nil {
		t.Fatal(err)
	}
	for _, reload := range []operator.Reload{
		{Dataset: orders, Ledger: tables, Objects: []string{string(gone.ID())}, OnlyPlan: true},
		{Dataset: orders, Ledger: tables, Objects: []string{string(gone.ID())}},
	} {
		if got := f.reloadAll(t, reload)[gone.Key]; got.Refused != "the object is withdrawn: put the file again" {
			t.Errorf("only plan %t: reload of a withdrawn object: %+v", reload.OnlyPlan, got)
		}
	}
	if all := f.reloadAll(t, operator.Reload{Dataset: orders, Ledger: tables}); len(all) != 1 || all[lost.Key].Refused != "" {
		t.Errorf("reload of the dataset: %+v", all)
	}
}
