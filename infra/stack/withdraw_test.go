//go:build cdk

package stack_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/infra/stack"
	"github.com/firn-data/firn/internal/contract"
)

// TestDeletionsSendEventsOnlyIfAContractWithdraws: a contract with firn.onDelete:
// withdraw changes the landing bucket's events and the role of load, and nothing else.
func TestDeletionsSendEventsOnlyIfAContractWithdraws(t *testing.T) {
	withdraw := func(p *stack.Props) { p.Contracts[0].OnDelete = contract.WithdrawOnDelete }
	for name, test := range map[string]struct {
		kind           string
		keep, withdraw template
	}{
		"queue": {"Queue", standardTemplate(t), templateOf(t, "withdraw", withdraw)},
		"topic": {"Topic", fanOutTemplate(t), templateOf(t, "withdraw, fan-out", func(p *stack.Props) {
			withdraw(p)
			p.Settings.FanOut = true
		})},
	} {
		var events []string
		targets := make(map[string]bool)
		for _, c := range list(valueAt(test.withdraw.Resources["Landing"].Properties, "NotificationConfiguration", test.kind+"Configurations")) {
			events = append(events, valueAt(c, "Event").(string))
			targets[render(valueAt(c, test.kind))] = true
		}
		if diff := cmp.Diff([]string{"s3:ObjectCreated:*", "s3:ObjectRemoved:*"}, events); diff != "" || len(targets) != 1 {
			t.Errorf("%s: events to %v (-want +got):\n%s", name, targets, diff)
		}
		var grants []string
		for _, s := range statementsOf(valueAt(test.withdraw.Resources["LoadRole"].Properties, "Policies", 0, "PolicyDocument")) {
			grants = append(grants, s.actions...)
		}
		if !slices.Contains(grants, "s3:DeleteObject") {
			t.Errorf("%s: load may not delete curated files, only %v", name, grants)
		}
		var changed []string
		for id, r := range test.withdraw.Resources {
			if !cmp.Equal(r, test.keep.Resources[id]) {
				changed = append(changed, id)
			}
		}
		slices.Sort(changed)
		if diff := cmp.Diff([]string{"Landing", "LoadRole"}, changed); diff != "" || len(test.keep.Resources) != len(test.withdraw.Resources) {
			t.Errorf("%s: changed resources (-want +got):\n%s", name, diff)
		}
	}
}
