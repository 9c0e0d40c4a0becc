//go:build standin

package journal_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/work"
)

// TestDeliveriesKeepLatestLock: two loaders may write in another order than their locks.
func TestDeliveriesKeepLatestLock(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	const dataset = "shop.deliveries"
	if got, err := b.Deliveries(t.Context(), dataset); err != nil || got.Current != "" || got.Held != nil {
		t.Errorf("without a record: %+v, %v", got, err)
	}
	held := []work.HeldDelivery{{Dataset: dataset, Name: "3", Rows: 1, Before: "2", RowsBefore: 9}}
	for _, write := range []struct {
		seq  int64
		d    journal.Deliveries
		want journal.Deliveries
	}{
		{5, journal.Deliveries{Current: "2", Held: held}, journal.Deliveries{Current: "2", Held: held}},
		{5, journal.Deliveries{Current: "2", Held: held}, journal.Deliveries{Current: "2", Held: held}},
		{4, journal.Deliveries{Current: "1"}, journal.Deliveries{Current: "2", Held: held}},
		{10, journal.Deliveries{Current: "3"}, journal.Deliveries{Current: "3"}},
		{11, journal.Deliveries{}, journal.Deliveries{}},
	} {
		if err := b.SetDeliveries(t.Context(), dataset, write.seq, write.d); err != nil {
			t.Fatal(err)
		}
		got, err := b.Deliveries(t.Context(), dataset)
		if diff := cmp.Diff(write.want, got); diff != "" || err != nil {
			t.Errorf("after lock %d: %v (-want +got):\n%s", write.seq, err, diff)
		}
	}
}

// TestDeliveriesKeepNewestHeld: an item of DynamoDB has a limit of 400 KB.
func TestDeliveriesKeepNewestHeld(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	var all journal.Deliveries
	for i := range 130 {
		all.Held = append(all.Held, work.HeldDelivery{Dataset: "shop.many", Name: fmt.Sprintf("%03d", i)})
	}
	if err := b.SetDeliveries(t.Context(), "shop.many", 1, all); err != nil {
		t.Fatal(err)
	}
	got, err := b.Deliveries(t.Context(), "shop.many")
	if err != nil || len(got.Held) != 100 || got.Held[99].Name != "129" {
		t.Errorf("%d held deliveries, %v; want the newest 100", len(got.Held), err)
	}
}
