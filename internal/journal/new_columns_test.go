//go:build standin

package journal_test

import (
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/work"
)

// report claims and records a report about new columns.
func (b *fixture) report(t *testing.T, n work.NewColumns) {
	t.Helper()
	if claimed, err := b.ClaimNewColumns(t.Context(), n.Dataset, "alert"); !claimed || err != nil {
		t.Fatalf("claim: %t, %v", claimed, err)
	}
	if recorded, err := b.RecordNewColumns(t.Context(), n, "alert"); !recorded || err != nil {
		t.Fatalf("record: %t, %v", recorded, err)
	}
}

func TestNewColumnsKeepLastReport(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	want := work.NewColumns{Dataset: b.dataset}
	check := func(when string) {
		t.Helper()
		got, err := b.NewColumns(t.Context(), b.dataset)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", when, err, diff)
		}
	}
	check("without a report")
	want.Columns, want.More = []work.NewColumn{{Name: "a\x00\u202eé", Object: "s3://landing/k", LoadedAt: b.clock()}}, 3
	b.report(t, want)
	check("after a report")
	want.Columns, want.More = append(want.Columns, work.NewColumn{Name: ""}), 0
	b.report(t, want)
	check("after another report")
}

// TestLargestNewColumnsFitIntoItem: fifty names of two hundred four-byte characters, and
// URIs of the longest keys.
func TestLargestNewColumnsFitIntoItem(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	var found []work.NewColumn
	for i := range 60 {
		found = append(found, work.NewColumn{
			Name: fmt.Sprintf("%02d", i) + strings.Repeat("\x01\U0001f600", 150), Object: "s3://" + strings.Repeat("b", 63) + "/" + strings.Repeat("\x01", 1024), LoadedAt: b.clock(),
		})
	}
	want := work.CollectNewColumns(b.dataset, nil, found)
	b.report(t, want)
	if got, err := b.NewColumns(t.Context(), b.dataset); err != nil || len(got.Columns) != 50 || got.More != 10 {
		t.Errorf("%d columns and %d more, %v", len(got.Columns), got.More, err)
	}
}

// TestNewColumnsHaveOneClaim: of many callers at the same time one gets the claim. The
// owner's record or a minute ends the claim. A claim of one dataset is no claim of another.
func TestNewColumnsHaveOneClaim(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	var owner atomic.Value
	claims := func(callers int) int64 {
		var claimed atomic.Int64
		var group sync.WaitGroup
		for range callers {
			group.Go(func() {
				claim := rand.Text()
				mine, err := b.ClaimNewColumns(t.Context(), b.dataset, claim)
				if err != nil {
					t.Error(err)
				}
				if mine {
					owner.Store(claim)
					claimed.Add(1)
				}
			})
		}
		group.Wait()
		return claimed.Load()
	}
	reported := work.NewColumns{Dataset: b.dataset, Columns: []work.NewColumn{{Name: "owner"}}}
	record := func(n work.NewColumns, claim string, want bool) error {
		recorded, err := b.RecordNewColumns(t.Context(), n, claim)
		if recorded != want {
			t.Errorf("record of %s with the claim %q: %t", n.Dataset, claim, recorded)
		}
		return err
	}
	mine := func() string { return owner.Load().(string) }
	late := ""
	for _, step := range []struct {
		name string
		do   func() error
		want int64
	}{
		{"no claim before", func() error { return nil }, 1},
		{"another claim", func() error { return nil }, 0},
		{"a record of another caller", func() error { return record(work.NewColumns{Dataset: b.dataset}, "another", false) }, 0},
		{"a claim of another dataset", func() error { return record(work.NewColumns{Dataset: "other." + b.dataset}, mine(), false) }, 0},
		{"a record of the owner ends the claim", func() error { return record(reported, mine(), true) }, 1},
		{"just before the end of the claim", func() error { b.advance(time.Minute - time.Millisecond); return nil }, 0},
		{"after a minute", func() error { late = mine(); b.advance(time.Millisecond); return nil }, 1},
		{"a late record of the owner before", func() error { return record(work.NewColumns{Dataset: b.dataset}, late, false) }, 0},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if got := claims(8); got != step.want {
			t.Errorf("%s: %d of 8 callers have the claim, want %d", step.name, got, step.want)
		}
	}
	if got, err := b.NewColumns(t.Context(), b.dataset); err != nil || cmp.Diff(reported, got) != "" {
		t.Errorf("the claim changed the record: %+v, %v", got, err)
	}
}
