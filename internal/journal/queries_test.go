//go:build standin

package journal_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

func idsOf(entries []journal.Entry) []object.ID {
	ids := make([]object.ID, len(entries))
	for i, entry := range entries {
		ids[i] = entry.ID
	}
	return ids
}

func TestWaiting(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	var want []object.ID
	for range 5 {
		o := b.receivedObject(t)
		b.advance(time.Second)
		if _, err := b.transformed(ctx, o, "first"); err != nil {
			t.Fatal(err)
		}
		want = append(want, o.ID())
	}
	b.client.page = 2
	for _, limit := range []int{1, 2, 3, 5, 100} {
		entries, err := b.Waiting(ctx, b.dataset, limit)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want[:min(limit, len(want))], idsOf(entries)); diff != "" {
			t.Errorf("limit %d, longest wait first (-want +got):\n%s", limit, diff)
		}
	}
	b.client.page = 0
	before := b.client.queries.Load()
	if _, err := b.Waiting(ctx, b.dataset, 3); err != nil || b.client.queries.Load() != before+1 {
		t.Errorf("a limit of one page took %d queries, %v; want 1", b.client.queries.Load()-before, err)
	}
	if err := b.Loaded(ctx, want[0], journal.Load{LoadID: "l"}); err != nil {
		t.Fatal(err)
	}
	entries, err := b.Waiting(ctx, b.dataset, 100)
	if diff := cmp.Diff(want[1:], idsOf(entries)); err != nil || diff != "" {
		t.Errorf("after a load: %v (-want +got):\n%s", err, diff)
	}
}

func TestFailed(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	failed := make(map[fault.Code][]object.ID)
	// No other code here begins with bad_header, and a prefix of a code is no code.
	for _, code := range []fault.Code{fault.BadHeader, fault.TooManyRejects, fault.BadHeader, fault.BadQuoting} {
		o := b.receivedObject(t)
		b.advance(time.Second)
		if _, err := b.fail(ctx, o, work.Transform, code); err != nil {
			t.Fatal(err)
		}
		failed[code] = append(failed[code], o.ID())
	}
	b.client.page = 1 // all pages are read
	all := append(append(append([]object.ID{}, failed[fault.BadHeader]...), failed[fault.BadQuoting]...), failed[fault.TooManyRejects]...)
	for code, want := range map[fault.Code][]object.ID{
		"": all, fault.BadHeader: failed[fault.BadHeader], fault.TooManyRejects: failed[fault.TooManyRejects], "bad": {}, fault.Crashed: {},
	} {
		entries, err := b.Failed(ctx, b.dataset, code)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, idsOf(entries)); diff != "" {
			t.Errorf("code %q (-want +got):\n%s", code, diff)
		}
	}
}

// TestFailedFindsObjectsWithoutDataset: the objects without a contract have a partition
// of their own. All tests share the table, so the test looks for its own object only.
func TestFailedFindsObjectsWithoutDataset(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	o := b.object("unclaimed.csv", "")
	if _, err := b.Receive(ctx, o, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := b.fail(ctx, o, work.Route, fault.NoDataset); err != nil {
		t.Fatal(err)
	}
	found := func(code fault.Code) bool {
		entries, err := b.Failed(ctx, "", code)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if entry.Dataset != "" {
				t.Errorf("%s of %s is among the objects without a contract", entry.Object.URI(), entry.Dataset)
			}
			if entry.ID == o.ID() {
				return true
			}
		}
		return false
	}
	if !found("") || !found(fault.NoDataset) || found(fault.Crashed) {
		t.Errorf("found with any code %t, with no_dataset %t, with crashed %t", found(""), found(fault.NoDataset), found(fault.Crashed))
	}
}

// TestEachVisitsEveryObjectOnce: Each visits all objects once, over several pages, and
// no other items. All tests share the table, so the test compares its own entries only.
func TestEachVisitsEveryObjectOnce(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	if err := b.SaveCheckpoint(ctx, b.run("r1"), 1, journal.RunProgress{}); err != nil {
		t.Fatal(err)
	}
	want := make(map[object.ID]int)
	for range 5 {
		want[b.receivedObject(t).ID()] = 1
	}
	b.client.page = 3
	got := make(map[object.ID]int)
	err := b.Each(ctx, func(e journal.Entry) {
		if e.State == "" || !object.IsID(string(e.ID)) {
			t.Errorf("Each passed another item: %+v", e)
		}
		if e.Dataset == b.dataset {
			got[e.ID]++
		}
	})
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// TestDynamoDBErrorIsDependencyFault: without an answer from DynamoDB the fault is a
// dependency's, and never counts as an attempt.
func TestDynamoDBErrorIsDependencyFault(t *testing.T) {
	t.Parallel()
	client, err := database()
	if err != nil {
		t.Fatal(err)
	}
	missing := &journal.Table{Client: client, Name: "no-such-table", Now: time.Now}
	b, ctx := newFixture(t), t.Context()
	o, run := b.object("a.csv", ""), journal.RunName{Dataset: b.dataset, ID: "r"}
	noRun := func(journal.Run) bool { return true }
	calls := map[string]func() error{
		"Get":               func() error { _, err := missing.Get(ctx, o.ID()); return err },
		"Receive":           func() error { _, err := missing.Receive(ctx, o, b.dataset); return err },
		"Ignore":            func() error { return missing.Ignore(ctx, o, "r") },
		"Start":             func() error { _, _, err := missing.Start(ctx, b.transformWork(o), "m", b.clock()); return err },
		"Waiting":           func() error { _, err := missing.Waiting(ctx, b.dataset, 1); return err },
		"Newest":            func() error { _, err := missing.Newest(ctx, bucket, "k"); return err },
		"Redrive":           func() error { _, err := missing.Redrive(ctx, o.ID()); return err },
		"Reload":            func() error { _, err := missing.Reload(ctx, o.ID()); return err },
		"Restore":           func() error { return missing.Restore(ctx, o, b.dataset, journal.Load{}) },
		"Each":              func() error { return missing.Each(ctx, func(journal.Entry) {}) },
		"OrderRun":          func() error { _, err := missing.OrderRun(ctx, journal.RunOrder{RunName: run}); return err },
		"StartRun":          func() error { _, _, err := missing.StartRun(ctx, journal.RunOrder{RunName: run}); return err },
		"SaveCheckpoint":    func() error { return missing.SaveCheckpoint(ctx, run, 1, journal.RunProgress{}) },
		"Checkpoint":        func() error { _, err := missing.Checkpoint(ctx, run, new(int)); return err },
		"DelayRun":          func() error { return missing.DelayRun(ctx, run, journal.Delay{}) },
		"Runs":              func() error { _, err := missing.Runs(ctx, b.dataset); return err },
		"EachDueRun":        func() error { return missing.EachDueRun(ctx, noRun) },
		"EachRunWithoutEnd": func() error { return missing.EachRunWithoutEnd(ctx, noRun) },
		"EachStuckRun":      func() error { return missing.EachStuckRun(ctx, b.clock(), noRun) },
	}
	for name, call := range calls {
		var f *fault.Fault
		if err := call(); !errors.As(err, &f) || f.Code != fault.JournalAway || f.Disposition != fault.RetryAfter {
			t.Errorf("%s = %v, want journal_away and a retry that doesn't count", name, err)
		}
	}
}

func TestDecodeRefusesMalformedItem(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	for name, value := range map[string]string{"attempts": "many", "at_received": "yesterday"} {
		o := b.object("a.csv", "")
		_, err := b.client.PutItem(t.Context(), &dynamodb.PutItemInput{
			TableName: aws.String(tableName),
			Item: map[string]types.AttributeValue{
				"pk": &types.AttributeValueMemberS{Value: string(o.ID())}, name: &types.AttributeValueMemberS{Value: value},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Get(context.Background(), o.ID()); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%q: %v, want an error with the attribute", name, value, err)
		}
	}
}
