package audit_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/operator/audit"
)

func TestIgnoreRemovesKinds(t *testing.T) {
	t.Parallel()
	result := func() audit.Result {
		return audit.Result{
			Datasets:    []audit.Summary{{Dataset: "a.b", Differences: 2}, {Dataset: "c.d", Differences: 1}},
			Differences: []audit.Difference{{Dataset: "a.b", Kind: audit.FileDeleted}, {Dataset: "a.b", Kind: audit.Stuck}, {Dataset: "c.d", Kind: audit.FileDeleted}},
		}
	}
	got := result()
	if err := got.Ignore([]string{"file_deleted"}); err != nil {
		t.Fatal(err)
	}
	want := audit.Result{
		Datasets:    []audit.Summary{{Dataset: "a.b", Differences: 1}, {Dataset: "c.d"}},
		Differences: []audit.Difference{{Dataset: "a.b", Kind: audit.Stuck}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	got = result()
	if err := got.Ignore([]string{"deleted"}); err == nil {
		t.Error("an unknown kind is accepted")
	}
	if diff := cmp.Diff(result(), got); diff != "" {
		t.Errorf("result after an error (-want +got):\n%s", diff)
	}
}
