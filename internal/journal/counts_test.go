//go:build standin

package journal_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// TestCountsOfDatasetStopAtLimit has two codes of failures and three waiting objects.
func TestCountsOfDatasetStopAtLimit(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	var header, gone []object.ID
	var moving []object.ID
	for i := range 5 {
		b.advance(time.Minute)
		o := b.receivedObject(t)
		code, ids := fault.BadHeader, &header
		if i%2 == 1 {
			code, ids = fault.ObjectGone, &gone
		}
		if _, err := b.fail(ctx, o, work.Transform, code); err != nil {
			t.Fatal(err)
		}
		*ids, moving = append(*ids, o.ID()), append(moving, o.ID())
	}
	for range 3 {
		o := b.receivedObject(t)
		if _, err := b.transformed(ctx, o, "00-01-a"); err != nil {
			t.Fatal(err)
		}
		moving = append(moving, o.ID())
	}
	b.receivedObject(t) // not in the index "work"
	for _, page := range []int32{0, 1} {
		b.client.page = page
		for limit, want := range map[int]journal.Count{2: {Objects: 2, More: true}, 9: {Objects: 3}} {
			if got, err := b.CountWaiting(ctx, b.dataset, limit); err != nil || got != want {
				t.Errorf("CountWaiting up to %d = %+v, %v; want %+v", limit, got, err, want)
			}
		}
		failed, err := b.FailedByCode(ctx, b.dataset, 2, 2)
		if err != nil {
			t.Fatal(err)
		}
		type count struct {
			Code    fault.Code
			Objects int
			Newest  []object.ID
		}
		var got []count
		for _, f := range failed {
			c := count{Code: f.Code, Objects: f.Objects}
			for _, e := range f.Newest {
				c.Newest = append(c.Newest, e.ID)
			}
			got = append(got, c)
		}
		want := []count{{fault.BadHeader, 2, []object.ID{header[2], header[1]}}, {fault.ObjectGone, 2, []object.ID{gone[1], gone[0]}}}
		if diff := cmp.Diff(want, got); diff != "" || !failed[0].More {
			t.Errorf("failures with pages of %d (-want +got):\n%s", page, diff)
		}
		var ids []object.ID
		if err := b.EachInWorkIndex(ctx, b.dataset, func(id object.ID) { ids = append(ids, id) }); err != nil {
			t.Fatal(err)
		}
		slices.Sort(ids)
		if diff := cmp.Diff(slices.Sorted(slices.Values(moving)), ids); diff != "" {
			t.Errorf("moving objects (-want +got):\n%s", diff)
		}
	}
}

// TestStuckPageContinuesAtPlace reads the stuck objects of the dataset in pages of two.
func TestStuckPageContinuesAtPlace(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	b.advance(-1000 * time.Hour) // before the objects of the other tests
	var want []object.ID
	for range 40 {
		want = append(want, b.receivedObject(t).ID())
		b.advance(time.Minute)
	}
	before := b.clock()
	b.receivedObject(t)
	var got []object.ID
	pages := 0
	for place := (work.StuckPlace{State: "received"}); place.State != ""; pages++ {
		page, next, err := b.StuckPage(ctx, place, before, 2)
		if err != nil || len(page) > 2 {
			t.Fatalf("a page of %d objects, %v", len(page), err)
		}
		for _, e := range page {
			if e.Dataset == b.dataset {
				got = append(got, e.ID)
			}
		}
		place = next
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" || pages < 20 {
		t.Errorf("%d pages (-want +got):\n%s", pages, diff)
	}
	found := 0
	more, err := b.OldestMoving(ctx, journal.Received, 1, func(journal.Entry) { found++ })
	if err != nil || !more || found == 0 || found > 16 {
		t.Errorf("the oldest objects: %d, more %t, %v", found, more, err)
	}
}

// TestEachOfReadsEachEntryOnce has more ids than a request may have. The table leaves
// half of each request unanswered.
func TestEachOfReadsEachEntryOnce(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	var want, ids []object.ID
	for range 7 {
		want = append(want, b.receivedObject(t).ID())
	}
	for i := range 150 {
		ids = append(ids, object.Object{Bucket: "b", Key: fmt.Sprint(i)}.ID())
	}
	ids = append(append(append(ids, want...), want...), "", "loads")
	b.client.halves = true
	var got []object.ID
	if err := b.EachOf(ctx, ids, func(e journal.Entry) { got = append(got, e.ID) }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

// silentDynamoDB answers no key.
type silentDynamoDB struct{ journal.DynamoDB }

func (silentDynamoDB) BatchGetItem(_ context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	return &dynamodb.BatchGetItemOutput{UnprocessedKeys: in.RequestItems}, nil
}

func TestEachOfEndsWithoutAnswer(t *testing.T) {
	t.Parallel()
	table := &journal.Table{Client: silentDynamoDB{}, Name: tableName}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := table.EachOf(ctx, []object.ID{"a"}, func(journal.Entry) {}); err == nil {
		t.Error("no error at the end of the context")
	}
}
