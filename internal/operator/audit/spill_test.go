package audit_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/operator/audit"
)

func TestSpilledEntryHasNoTextOfFault(t *testing.T) {
	t.Parallel()
	e := journal.Entry{
		ID: "a", State: journal.Failed, Code: "bad_header", Cause: "cause", Hint: "hint", Message: "message", Queue: "queue", QueryID: "query",
		RejectsByRule: map[string]int64{"rule": 1}, Delay: &journal.Delay{Cause: "cause"},
	}
	want := journal.Entry{ID: "a", State: journal.Failed, Code: "bad_header"}
	if diff := cmp.Diff(want, audit.SpilledEntry(e)); diff != "" {
		t.Errorf("entry in the files (-want +got):\n%s", diff)
	}
}
