//go:build standin

package journal_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/journal"
)

// TestEntryHasRejectsByRule: the entry has the rules with the most rejects until a
// reload, or until a receipt without rejects.
func TestEntryHasRejectsByRule(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	o := b.receivedObject(t)
	receipt, at := b.receipt(o, "first")
	receipt.RejectsByRule = map[string]int64{"amount:decimal": 7, "_row:columns": 2}
	if _, err := b.Transformed(t.Context(), receipt, at); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(receipt.RejectsByRule, b.get(t, o).RejectsByRule); diff != "" {
		t.Errorf("rejects by rule (-want +got):\n%s", diff)
	}
	if err := b.Loaded(t.Context(), o.ID(), journal.Load{LoadID: "l1"}); err != nil {
		t.Fatal(err)
	}
	b.reload(t, o)
	if got := b.get(t, o).RejectsByRule; got != nil {
		t.Errorf("during the reload the entry has %v", got)
	}
}

// TestEntryHasFewRules: DynamoDB limits the size of an item.
func TestEntryHasFewRules(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	o := b.receivedObject(t)
	receipt, at := b.receipt(o, "first")
	receipt.RejectsByRule = make(map[string]int64)
	for i := range int64(50) {
		receipt.RejectsByRule[fmt.Sprintf("c%d:integer", i)] = i + 1
	}
	if _, err := b.Transformed(t.Context(), receipt, at); err != nil {
		t.Fatal(err)
	}
	got := b.get(t, o).RejectsByRule
	if len(got) != 20 || got["c49:integer"] != 50 || got["c30:integer"] != 31 {
		t.Errorf("the entry has %v, want the 20 rules with the most rejects", got)
	}
}
